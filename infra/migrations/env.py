"""Alembic's entry: applies the migrations to the database of the settings, or prints them as SQL (`--sql`)."""

from alembic import context
from sqlalchemy import create_engine, pool

from common.db import database_tls, database_url

if context.is_offline_mode():
    context.configure(dialect_name="mysql", literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(database_url(), poolclass=pool.NullPool, connect_args={"ssl": database_tls()}).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
