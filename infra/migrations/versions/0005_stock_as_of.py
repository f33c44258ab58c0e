"""Stock as of any moment: the ledger by time, and a product's ledger that never goes back in it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("storages", sa.Column("moved_at", mysql.DATETIME(fsp=6)))
    # With the balance in it, the index is all that a look into the past reads.
    op.create_index("ix_stock_movements_as_of", "stock_movements", ["product_id", "created_at", "id", "balance_after"])
    op.execute(
        "UPDATE storages SET moved_at ="
        " (SELECT MAX(created_at) FROM stock_movements WHERE stock_movements.product_id = storages.product_id)"
    )


def downgrade() -> None:
    op.drop_index("ix_stock_movements_as_of", "stock_movements")
    op.drop_column("storages", "moved_at")
