"""Roles, disabled users, and tokens that count no longer."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ASCII = {"mysql_engine": "InnoDB", "mysql_charset": "ascii", "mysql_collate": "ascii_bin"}
_MOMENT = mysql.DATETIME(fsp=6)


def upgrade() -> None:
    # With a default, for the functions that know no roles yet and still run while this is applied.
    op.add_column("users", sa.Column("role", sa.String(10), nullable=False, server_default="clerk"))
    op.add_column("users", sa.Column("founder", sa.Boolean))
    op.add_column("users", sa.Column("disabled_at", _MOMENT))
    op.add_column("users", sa.Column("token_generation", sa.Integer, nullable=False, server_default="0"))
    op.create_unique_constraint("uq_users_founder", "users", ["founder"])
    op.create_check_constraint("ck_users_role", "users", "role IN ('viewer', 'clerk', 'manager', 'admin')")
    op.create_index("ix_users_role", "users", ["role"])
    # Of those who registered before there were roles, too, the first is the admin.
    op.execute("UPDATE users SET role = 'admin', founder = TRUE ORDER BY id LIMIT 1")
    op.create_table(
        "revoked_tokens",
        sa.Column("token_id", mysql.CHAR(36), primary_key=True),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Index("ix_revoked_tokens_expires_at", "expires_at"),
        **_ASCII,
    )


def downgrade() -> None:
    op.drop_table("revoked_tokens")
    op.drop_index("ix_users_role", "users")
    op.drop_constraint("ck_users_role", "users", type_="check")
    op.drop_constraint("uq_users_founder", "users", type_="unique")
    for column in ("token_generation", "disabled_at", "founder", "role"):
        op.drop_column("users", column)
