"""What the page asks for: the stock's value, and figures over periods that read an index rather than the rows."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Inventory's own copy of the buying price, kept by product_events: services read their own tables only.
    op.add_column("storages", sa.Column("price_buy", sa.Numeric(12, 2), nullable=False, server_default="0"))
    op.add_column("storages", sa.Column("product_version", sa.Integer, nullable=False, server_default="0"))
    op.execute(
        "UPDATE storages JOIN products ON products.id = storages.product_id"
        " SET storages.price_buy = products.price_buy, storages.product_version = products.version"
    )
    op.create_index("ix_orders_statistics", "orders", ["timestamp", "status", "product_id", "quantity", "total_cost"])
    op.create_index("ix_procurements_statistics", "procurements", ["timestamp", "product_id", "quantity", "total_cost"])
    for table in ("orders", "procurements"):
        op.drop_index(f"ix_{table}_timestamp", table)


def downgrade() -> None:
    for table in ("orders", "procurements"):
        op.create_index(f"ix_{table}_timestamp", table, ["timestamp"])
        op.drop_index(f"ix_{table}_statistics", table)
    op.drop_column("storages", "product_version")
    op.drop_column("storages", "price_buy")
