"""What products come to at most in orders and procurements, by blocks of thirty days: those foremost in a period are among the largest."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLE = {"mysql_engine": "InnoDB", "mysql_charset": "ascii", "mysql_collate": "ascii_bin"}
_KINDS = ("order", "procurement")
_SUMMED = ("timestamp", "status", "quantity", "total_cost")
# Whatever has been there for so long has settled: no transaction is open for half of that.
_MARK = """
    INSERT INTO {kind}_product_summed (id, deal_id)
    SELECT 1, COALESCE(MAX(id), 0) FROM {kind}s WHERE timestamp < UTC_TIMESTAMP(6) - INTERVAL 2 MINUTE
"""
_SUM_UP = """
    INSERT INTO {kind}_product_sums (block, product_id, quantity, value)
    SELECT FLOOR(TIMESTAMPDIFF(SECOND, '1970-01-01', timestamp) / 2592000) AS block, product_id, SUM(quantity), SUM(total_cost)
    FROM {kind}s WHERE id <= (SELECT deal_id FROM {kind}_product_summed) GROUP BY block, product_id
"""


def upgrade() -> None:
    # Nobody who changes a deal waits for those that are read here.
    op.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    for kind in _KINDS:
        op.create_table(
            f"{kind}_product_sums",
            sa.Column("block", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("product_id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("quantity", sa.Numeric(21, 3), nullable=False),
            sa.Column("value", sa.Numeric(27, 2), nullable=False),
            *(sa.Index(f"ix_{kind}_product_sums_block_{measure}", "block", measure) for measure in ("quantity", "value")),
            **_TABLE,
        )
        op.create_table(
            f"{kind}_product_summed",
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("deal_id", sa.Integer, nullable=False),
            **_TABLE,
        )
        columns = ["product_id", *(column for column in _SUMMED if kind == "order" or column != "status")]
        op.create_index(f"ix_{kind}s_product_statistics", f"{kind}s", columns)
        op.execute(_MARK.format(kind=kind))
        op.execute(_SUM_UP.format(kind=kind))


def downgrade() -> None:
    for kind in reversed(_KINDS):
        op.drop_index(f"ix_{kind}s_product_statistics", f"{kind}s")
        op.drop_table(f"{kind}_product_summed")
        op.drop_table(f"{kind}_product_sums")
