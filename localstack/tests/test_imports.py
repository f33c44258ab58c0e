"""What is read from a function's source about what it will import."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from lambda_environments.imports import certain_imports

if TYPE_CHECKING:
    from pathlib import Path


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(content))
    return root


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    files = dict.fromkeys(("orm/__init__.py", "orm/dialects/__init__.py", "orm/dialects/mysql.py", "web.py", "odd.py"), "import web")
    return _write(tmp_path / "installed", {**files, "orm-1.0.dist-info/METADATA": ""})


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    files = {
        "common/__init__.py": "",
        "common/db.py": "import orm\nprint('connecting')\nfrom common import log",
        "common/log.py": "import web",
    }
    return _write(tmp_path / "shared", files)


def _modules(tmp_path: Path, layers: list[Path], **code: str) -> list[str]:
    files = {f"product/{name}.py": source for name, source in {"__init__": "", **code}.items()}
    return list(certain_imports("product.app.handler", [_write(tmp_path / "code", files)], layers).modules)


def test_imports_are_followed_through_own_code_and_layers_of_source_but_not_into_installed_packages(
    tmp_path: Path, installed: Path, shared: Path
):
    code = "import json\nfrom common.db import session\nfrom product import service\nfrom . import models\nNAME: int = 1"
    modules = _modules(tmp_path, [shared, installed], app=code, service="import orm.dialects.mysql", models="from .service import x")
    assert modules == ["common", "orm", "web", "common.log", "common.db", "orm.dialects", "orm.dialects.mysql"]


def test_packages_are_those_installed(tmp_path: Path, installed: Path, shared: Path):
    code = _write(tmp_path / "code", {"app.py": "import common.db"})
    assert certain_imports("app.handler", [code], [shared, installed]).packages == {"orm", "web"}


@pytest.mark.parametrize(
    "code",
    [
        "def handler():\n    import web",
        "try:\n    import web\nexcept ImportError:\n    web = None",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import web",
        "import nothing.like.it",
        "this is no Python",
        "import os\nos.environ['A'] = 'b'\nimport web",
        "import sys\nsys.path.insert(0, 'vendored')\nimport web",
        "import patching\npatching.patch_all()\nimport web",
    ],
)
def test_what_is_not_certain_or_comes_after_an_effect_is_left_to_the_function(tmp_path: Path, installed: Path, code: str):
    assert _modules(tmp_path, [installed], app=code) == []


def test_a_name_imported_from_a_package_may_be_a_module(tmp_path: Path, installed: Path):
    assert _modules(tmp_path, [installed], app="from orm.dialects import mysql, other") == ["orm", "orm.dialects", "orm.dialects.mysql"]


def test_own_code_hides_layers(tmp_path: Path, installed: Path):
    code = _write(tmp_path / "code", {"app.py": "import web", "web.py": "import odd"})
    assert certain_imports("app.handler", [code], [installed]).modules == ("odd",)


def test_a_changed_file_is_read_again(tmp_path: Path, installed: Path):
    assert _modules(tmp_path, [installed], app="import web") == ["web"]
    assert _modules(tmp_path, [installed], app="import odd, web") == ["odd", "web"]
