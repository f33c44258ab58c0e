"""SQL is written in repository.py and models.py; what else touches SQLAlchemy holds sessions and tells errors apart."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
# What any module of a service may take from SQLAlchemy.
NO_QUERIES = {"sqlalchemy.orm": {"Session"}, "sqlalchemy.exc": {"IntegrityError"}}
OTHERS = [path for path in sorted((PROJECT / "functions").glob("*/*.py")) if path.name not in ("repository.py", "models.py")]


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_sql_is_written_in_repositories_only(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("sqlalchemy", "pymysql"):
            assert {name.name for name in node.names} <= NO_QUERIES.get(node.module, set()), f"{path}:{node.lineno}"
        if isinstance(node, ast.Import):
            assert not any(name.name.split(".")[0] in ("sqlalchemy", "pymysql") for name in node.names), f"{path}:{node.lineno}"


@pytest.mark.parametrize("service", ["auth", "supplier", "customer", "product", "inventory", "procurement", "order"])
def test_every_service_has_the_same_files(service):
    files = {path.name for path in (PROJECT / "functions" / service).glob("*.py")}
    assert {"__init__.py", "app.py", "schemas.py", "service.py", "repository.py", "models.py"} <= files
