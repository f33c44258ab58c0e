"""Orders and procurements summed up by half hours as they settle, so that a period need not be read deal by deal."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLE = {"mysql_engine": "InnoDB", "mysql_charset": "ascii", "mysql_collate": "ascii_bin"}


def upgrade() -> None:
    for kind, apart in (("order", [sa.Column("status", sa.String(20), primary_key=True)]), ("procurement", [])):
        op.create_table(
            f"{kind}_sums",
            sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
            *apart,
            sa.Column("count", sa.BigInteger, nullable=False),
            sa.Column("quantity", sa.Numeric(21, 3), nullable=False),
            sa.Column("value", sa.Numeric(27, 2), nullable=False),
            **_TABLE,
        )
        op.create_table(
            f"{kind}_summed",
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("deal_id", sa.Integer, nullable=False),
            **_TABLE,
        )


def downgrade() -> None:
    for kind in ("procurement", "order"):
        op.drop_table(f"{kind}_summed")
        op.drop_table(f"{kind}_sums")
