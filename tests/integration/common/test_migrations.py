"""The schema goes up, down and up again, and the models say of it what is so."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.dialects.mysql import DATETIME

from common.config import get_settings
from common.db import Base, UtcDateTime, database_url
from tests.gateway import SERVICES

PROJECT = Path(__file__).resolve().parents[3]
DATABASE = "migrations_under_test"


@pytest.fixture
def engine(mariadb, redis, monkeypatch):
    """A database of its own, empty, on the session's server."""
    for name, value in {**mariadb, **redis}.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    url = database_url()
    with create_engine(url).begin() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {DATABASE}"))
        connection.execute(text(f"CREATE DATABASE {DATABASE}"))
    monkeypatch.setenv("DATABASE_NAME", DATABASE)
    get_settings.cache_clear()
    own = create_engine(url.set(database=DATABASE))
    yield own
    with own.begin() as connection:
        connection.execute(text(f"DROP DATABASE {DATABASE}"))
    own.dispose()
    get_settings.cache_clear()


def alembic(*arguments):
    command = [sys.executable, "-m", "alembic", "-c", "infra/migrations/alembic.ini", *arguments]
    paths = os.pathsep.join(str(PROJECT / part) for part in (".", "functions", "layers/common/python"))
    done = subprocess.run(command, cwd=PROJECT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def schema(engine):
    with engine.connect() as connection:
        tables = [name for (name,) in connection.execute(text("SHOW TABLES")) if name != "alembic_version"]
        # The order of a table's indexes is not said by anybody.
        return {
            name: sorted(line.rstrip(",") for line in connection.execute(text(f"SHOW CREATE TABLE {name}")).one()[1].splitlines())
            for name in tables
        }


def test_up_down_and_up_again_comes_to_the_same(engine):
    alembic("upgrade", "head")
    first = schema(engine)
    assert len(first) >= 14
    alembic("downgrade", "base")
    assert schema(engine) == {}
    alembic("upgrade", "head")
    assert schema(engine) == first


def test_models_say_of_the_schema_what_is_so(engine):
    alembic("upgrade", "head")
    for name in SERVICES.values():
        importlib.import_module(f"{name}.models")
    importlib.import_module("common.idempotency")
    importlib.import_module("common.events")
    found = inspect(engine)
    ours = Base.metadata.tables
    assert set(ours) <= set(found.get_table_names())
    for name, table in ours.items():
        columns = {column["name"]: column for column in found.get_columns(name)}
        assert set(table.columns.keys()) == set(columns), name
        assert set(table.primary_key.columns.keys()) == set(found.get_pk_constraint(name)["constrained_columns"]), name
        for column in table.columns:
            real = columns[column.name]
            where = f"{name}.{column.name}"
            assert bool(column.nullable) == bool(real["nullable"]), where
            for trait in ("length", "precision", "scale"):
                said = getattr(column.type, trait, None)
                # TEXT says no length in the model.
                assert said is None or said == getattr(real["type"], trait, None), (where, trait)
            if isinstance(column.type, UtcDateTime):
                assert isinstance(real["type"], DATETIME), where
                assert real["type"].fsp == 6, where


def test_every_foreign_key_is_indexed(engine):
    alembic("upgrade", "head")
    found = inspect(engine)
    for table in found.get_table_names():
        leading = {index["column_names"][0] for index in found.get_indexes(table)}
        leading |= set(found.get_pk_constraint(table)["constrained_columns"][:1])
        for key in found.get_foreign_keys(table):
            assert key["constrained_columns"][0] in leading, (table, key)


def test_prints_itself_as_sql_without_a_database(engine):
    printed = alembic("upgrade", "head", "--sql")
    assert "CREATE TABLE storages" in printed
    assert "CHECK (quantity >= 0)" in printed
