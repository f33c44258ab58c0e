"""What all storages come to, changed in the transaction of whoever changes stock, so that its figures need not be read off them.

Nothing is summed up here: a version that knows nothing of this may still be changing stock. See docs/adr.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLE = {"mysql_engine": "InnoDB", "mysql_charset": "ascii", "mysql_collate": "ascii_bin"}


def upgrade() -> None:
    op.create_table(
        "stock_sums",
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("quantity", sa.Numeric(21, 3), nullable=False),
        sa.Column("value", sa.Numeric(32, 5), nullable=False),
        sa.Column("in_stock", sa.BigInteger, nullable=False),
        sa.Column("enough", sa.BigInteger, nullable=False),
        **_TABLE,
    )
    op.create_table(
        "stock_summed",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("since", mysql.DATETIME(fsp=6), nullable=False),
        **_TABLE,
    )


def downgrade() -> None:
    op.drop_table("stock_summed")
    op.drop_table("stock_sums")
