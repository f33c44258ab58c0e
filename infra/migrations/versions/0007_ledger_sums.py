"""The ledger summed up as it grows, so that reconciling need not begin at its beginning."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLE = {"mysql_engine": "InnoDB", "mysql_charset": "ascii", "mysql_collate": "ascii_bin"}
_PARTS = ("movements", "opening", "procured", "ordered", "cancelled", "returned", "corrected")


def upgrade() -> None:
    op.create_table(
        "ledger_sums",
        sa.Column(
            "product_id", sa.Integer, sa.ForeignKey("products.id", name="fk_ledger_sums_product"), primary_key=True, autoincrement=False
        ),
        *(sa.Column(part, sa.Numeric(18, 3), nullable=False) for part in _PARTS),
        **_TABLE,
    )
    op.create_table(
        "ledger_summed",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("movement_id", sa.BigInteger, nullable=False),
        **_TABLE,
    )


def downgrade() -> None:
    op.drop_table("ledger_summed")
    op.drop_table("ledger_sums")
