"""SQL is written in repository.py and models.py; what else touches SQLAlchemy holds sessions and tells errors apart."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.gateway import SERVICES

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


def test_every_package_is_under_the_import_contracts():
    packages = {path.parent.name for path in (PROJECT / "functions").glob("*/app.py")}
    linter = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert packages <= set(linter["root_packages"])
    for contract in linter["contracts"]:
        for modules in (contract.get("modules", []), contract.get("source_modules", []), contract.get("forbidden_modules", [])):
            named = {module.split(".")[0] for module in modules} & packages
            assert not named or named == packages, contract["name"]


@pytest.mark.parametrize("service", SERVICES.values())
def test_every_service_has_the_same_files(service):
    files = {path.name for path in (PROJECT / "functions" / service).glob("*.py")}
    assert {"__init__.py", "app.py", "schemas.py", "service.py", "repository.py", "models.py"} <= files
