"""Beyond the base schema: the ledger of stock, the outbox and what its delivery needs, idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLE = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_unicode_520_ci"}
_ASCII = {"mysql_engine": "InnoDB", "mysql_charset": "ascii", "mysql_collate": "ascii_bin"}
_TEXT = mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_unicode_520_ci")
_EVENT_ID = mysql.CHAR(36, charset="ascii", collation="ascii_bin")
_STOCK = sa.Numeric(15, 3)
_MOMENT = mysql.DATETIME(fsp=6)


def upgrade() -> None:
    # Since when stock has been below the alert's threshold: set and cleared with the quantity, so an alert fires once per crossing.
    op.add_column("storages", sa.Column("low_since", _MOMENT))
    op.create_table(
        "stock_movements",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id", name="fk_stock_movements_product"), nullable=False),
        sa.Column("delta", _STOCK, nullable=False),
        sa.Column("balance_after", _STOCK, nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("event_id", _EVENT_ID, nullable=False),
        sa.Column("reference", sa.String(120)),
        sa.Column("trace_id", sa.String(64), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("event_id", name="uq_stock_movements_event_id"),
        sa.CheckConstraint("balance_after >= 0", name="ck_stock_movements_balance_after"),
        sa.Index("ix_stock_movements_product_id_id", "product_id", "id"),
        sa.Index("ix_stock_movements_reference", "reference"),
        **_TABLE,
    )
    op.create_table(
        "stock_alerts",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id", name="fk_stock_alerts_product"), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("quantity", _STOCK, nullable=False),
        sa.Column("threshold", _STOCK, nullable=False),
        # The storage's version at the crossing puts a product's alerts in order, whatever order their events arrive in.
        sa.Column("stock_version", sa.BigInteger, nullable=False),
        sa.Column("cause_event_id", _EVENT_ID, nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("product_id", "stock_version", name="uq_stock_alerts_product_id_stock_version"),
        sa.Index("ix_stock_alerts_kind", "kind"),
        **_TABLE,
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("event_id", mysql.CHAR(36), nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("payload", _TEXT, nullable=False),
        sa.Column("trace_id", sa.String(64), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("delivered_at", _MOMENT),
        sa.UniqueConstraint("event_id", name="uq_outbox_event_id"),
        sa.Index("ix_outbox_delivered_at_id", "delivered_at", "id"),
        sa.Index("ix_outbox_trace_id", "trace_id"),
        **_ASCII,
    )
    op.create_table(
        "processed_events",
        sa.Column("consumer", sa.String(40), primary_key=True),
        sa.Column("event_id", mysql.CHAR(36), primary_key=True),
        sa.Column("processed_at", _MOMENT, nullable=False),
        **_ASCII,
    )
    op.create_table(
        "delivery_failures",
        sa.Column("consumer", sa.String(40), primary_key=True),
        sa.Column("event_id", mysql.CHAR(36), primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", _TEXT, nullable=False),
        sa.Column("next_attempt_at", _MOMENT, nullable=False),
        **_ASCII,
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("consumer", sa.String(40), nullable=False),
        sa.Column("event_id", mysql.CHAR(36), nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("payload", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failed_at", _MOMENT, nullable=False),
        sa.Column("replayed_at", _MOMENT),
        sa.UniqueConstraint("consumer", "event_id", name="uq_dead_letters_consumer_event_id"),
        sa.Index("ix_dead_letters_replayed_at", "replayed_at"),
        **_ASCII,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(120), primary_key=True),
        sa.Column("idempotency_key", sa.String(200), primary_key=True),
        sa.Column("fingerprint", mysql.CHAR(64), nullable=False),
        sa.Column("answer", _TEXT, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Index("ix_idempotency_keys_created_at", "created_at"),
        **_ASCII,
    )


def downgrade() -> None:
    for table in (
        "idempotency_keys",
        "dead_letters",
        "delivery_failures",
        "processed_events",
        "outbox",
        "stock_alerts",
        "stock_movements",
    ):
        op.drop_table(table)
    op.drop_column("storages", "low_since")
