"""What writes changed while Redis could not be told: the bridge tells it as soon as it can."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLE = {"mysql_engine": "InnoDB", "mysql_charset": "ascii", "mysql_collate": "ascii_bin"}


def upgrade() -> None:
    op.create_table(
        "cache_doubts",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("entity_id", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
        **_TABLE,
    )


def downgrade() -> None:
    op.drop_table("cache_doubts")
