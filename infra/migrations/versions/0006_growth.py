"""What keeps lists quick as they grow: positions in them, words to search by, and an index for each order they are read in."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

from common.search import LONGEST_WORD, words_of

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ASCII = {"mysql_engine": "InnoDB", "mysql_charset": "ascii", "mysql_collate": "ascii_bin"}
# Words are compared as they are written here: case and accents are taken off before.
_WORDS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_KIND = mysql.VARCHAR(10, charset="ascii", collation="ascii_bin")
_MOMENT = mysql.DATETIME(fsp=6)
_INDEXES = (
    ("orders", "timestamp"),
    ("orders", "quantity"),
    ("orders", "total_cost"),
    ("procurements", "timestamp"),
    ("procurements", "quantity"),
    ("procurements", "total_cost"),
    ("products", "price_buy"),
    ("products", "price_sell"),
    ("suppliers", "contact_person"),
    ("customers", "contact_person"),
    ("stock_movements", "reason"),
    ("users", "created_at"),
)
_SEARCHED = {
    "supplier": ("suppliers", ("name", "city", "contact_person")),
    "customer": ("customers", ("name", "city", "contact_person")),
    "product": ("products", ("name", "product_code")),
}
_ROWS_AT_ONCE = 1000


def upgrade() -> None:
    op.create_table(
        "list_positions",
        sa.Column("list", sa.String(40), primary_key=True),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Index("ix_list_positions_list_position", "list", "position"),
        **_ASCII,
    )
    op.create_table(
        "list_horizons",
        sa.Column("list", sa.String(40), primary_key=True),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        **_ASCII,
    )
    op.create_table(
        "search_words",
        sa.Column("kind", _KIND, primary_key=True),
        sa.Column("word", sa.String(LONGEST_WORD), primary_key=True),
        sa.Column("entity_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Index("ix_search_words_kind_entity_id_word", "kind", "entity_id", "word", "current"),
        **_WORDS,
    )
    for table, column in _INDEXES:
        op.create_index(f"ix_{table}_{column}", table, [column])
    op.create_index("ix_orders_status_timestamp", "orders", ["status", "timestamp"])
    op.drop_index("ix_orders_status", "orders")
    # When a fall below the threshold was over, kept with it: nobody has to look for its recovery.
    op.add_column("stock_alerts", sa.Column("cleared_at", _MOMENT))
    op.execute(
        "UPDATE stock_alerts fallen JOIN ("
        " SELECT low.id, MIN(later.occurred_at) AS cleared_at FROM stock_alerts low JOIN stock_alerts later"
        "  ON later.product_id = low.product_id AND later.kind = 'stock_recovered' AND later.stock_version > low.stock_version"
        "  WHERE low.kind = 'low_stock' GROUP BY low.id"
        ") recovered ON recovered.id = fallen.id SET fallen.cleared_at = recovered.cleared_at"
    )
    op.create_index("ix_stock_alerts_kind_cleared_at", "stock_alerts", ["kind", "cleared_at"])
    if not context.is_offline_mode():
        _note_words()


def _note_words() -> None:
    """What is there already is found as what comes later is. As plain SQL there is nobody to tell the words."""
    connection = op.get_bind()
    words = sa.table("search_words", sa.column("kind"), sa.column("word"), sa.column("entity_id"), sa.column("current"))
    for kind, (table, names) in _SEARCHED.items():
        columns = [sa.column(name) for name in ("id", *names)]
        after = 0
        while rows := connection.execute(
            sa.select(*columns).select_from(sa.table(table)).where(columns[0] > after).order_by(columns[0]).limit(_ROWS_AT_ONCE)
        ).all():
            after = rows[-1][0]
            found = [(row_id, word) for row_id, *texts in rows for word in words_of(*texts)]
            if found:
                made = [{"kind": kind, "word": word, "entity_id": row_id, "current": True} for row_id, word in found]
                connection.execute(words.insert(), made)


def downgrade() -> None:
    op.drop_index("ix_stock_alerts_kind_cleared_at", "stock_alerts")
    op.drop_column("stock_alerts", "cleared_at")
    op.create_index("ix_orders_status", "orders", ["status"])
    op.drop_index("ix_orders_status_timestamp", "orders")
    for table, column in _INDEXES:
        op.drop_index(f"ix_{table}_{column}", table)
    for table in ("search_words", "list_horizons", "list_positions"):
        op.drop_table(table)
