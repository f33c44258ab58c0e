"""The base schema: users, suppliers, customers, products, storages, procurements, orders."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLE = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_unicode_520_ci"}
# Product codes that differ in case alone are different products (85123A and 85123a both exist in real data).
_CODE = sa.String(64, collation="utf8mb4_bin")
_MONEY = sa.Numeric(12, 2)
_TOTAL = sa.Numeric(18, 2)
_QUANTITY = sa.Numeric(12, 3)
_STOCK = sa.Numeric(15, 3)
_MOMENT = mysql.DATETIME(fsp=6)


def _id() -> sa.Column:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _party(name: str) -> None:
    op.create_table(
        name,
        _id(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("city", sa.String(100), nullable=False),
        sa.Column("address", sa.String(300), nullable=False),
        sa.Column("contact_person", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Index(f"ix_{name}_name", "name"),
        sa.Index(f"ix_{name}_city", "city"),
        **_TABLE,
    )


def _deal(name: str, party: str, party_table: str, *more: sa.schema.SchemaItem) -> None:
    """A procurement or an order; names and codes are kept as they were at the time."""
    op.create_table(
        name,
        _id(),
        sa.Column(f"{party}_id", sa.Integer, sa.ForeignKey(f"{party_table}.id", name=f"fk_{name}_{party}"), nullable=False),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id", name=f"fk_{name}_product"), nullable=False),
        sa.Column("quantity", _QUANTITY, nullable=False),
        sa.Column("unit_price", _MONEY, nullable=False),
        sa.Column("total_cost", _TOTAL, nullable=False),
        sa.Column("timestamp", _MOMENT, nullable=False),
        sa.Column(f"{party}_name", sa.String(200), nullable=False),
        sa.Column("product_code", _CODE, nullable=False),
        sa.Column("product_name", sa.String(255), nullable=False),
        sa.CheckConstraint("quantity > 0", name=f"ck_{name}_quantity"),
        sa.CheckConstraint("unit_price >= 0", name=f"ck_{name}_unit_price"),
        sa.Index(f"ix_{name}_{party}_id", f"{party}_id"),
        sa.Index(f"ix_{name}_product_id", "product_id"),
        sa.Index(f"ix_{name}_timestamp", "timestamp"),
        *more,
        **_TABLE,
    )


def upgrade() -> None:
    op.create_table(
        "users",
        _id(),
        sa.Column("username", sa.String(50), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("username", name="uq_users_username"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        **_TABLE,
    )
    _party("suppliers")
    _party("customers")
    op.create_table(
        "products",
        _id(),
        sa.Column("product_code", _CODE, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("category", sa.String(100), nullable=False),
        sa.Column("price_buy", _MONEY, nullable=False),
        sa.Column("price_sell", _MONEY, nullable=False),
        sa.Column("measure_unit", sa.String(20), nullable=False),
        sa.Column("supplier_id", sa.Integer, sa.ForeignKey("suppliers.id", name="fk_products_supplier"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.UniqueConstraint("product_code", name="uq_products_product_code"),
        sa.CheckConstraint("price_buy >= 0 AND price_sell >= 0", name="ck_products_prices"),
        sa.Index("ix_products_supplier_id", "supplier_id"),
        sa.Index("ix_products_name", "name"),
        sa.Index("ix_products_category", "category"),
        **_TABLE,
    )
    op.create_table(
        "storages",
        _id(),
        # A product that never had a movement may go, and takes its empty storage along; any other is kept by stock_movements.
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id", name="fk_storages_product", ondelete="CASCADE"), nullable=False),
        sa.Column("quantity", _STOCK, nullable=False, server_default="0"),
        sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
        sa.UniqueConstraint("product_id", name="uq_storages_product_id"),
        sa.CheckConstraint("quantity >= 0", name="ck_storages_quantity"),
        sa.Index("ix_storages_quantity", "quantity"),
        **_TABLE,
    )
    _deal("procurements", "supplier", "suppliers")
    _deal(
        "orders",
        "customer",
        "customers",
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("status_reason", sa.String(300)),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Index("ix_orders_status", "status"),
        sa.CheckConstraint("status IN ('pending', 'confirmed', 'rejected', 'cancelled')", name="ck_orders_status"),
    )


def downgrade() -> None:
    for table in ("orders", "procurements", "storages", "products", "customers", "suppliers", "users"):
        op.drop_table(table)
