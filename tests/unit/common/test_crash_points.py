import os
from pathlib import Path

import pytest

from common.crash_points import EXIT_CODE, crash_point

TEMPLATE = Path(__file__).resolve().parents[3] / "template.yaml"


class DiedError(Exception):
    """Instead of the test's own process."""


@pytest.fixture
def deaths(monkeypatch):
    """The exit codes asked for."""
    codes = []

    def die(code):
        codes.append(code)
        raise DiedError

    monkeypatch.setattr(os, "_exit", die)
    return codes


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Crash points in force, for the function `order`."""
    monkeypatch.setenv("CRASH_POINTS", str(tmp_path))
    monkeypatch.setenv("DATABASE_HOST", "127.0.0.1")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "inventory-order")
    return tmp_path


def test_nobody_dies_where_no_folder_is_named(deaths):
    crash_point("before_commit")
    assert not deaths


def test_only_who_is_named_dies_and_only_at_that_point(deaths, folder):
    (folder / "order.before_commit").touch()
    (folder / "inventory.after_mark").touch()
    crash_point("after_commit_before_publish")
    crash_point("after_mark", "product")
    with pytest.raises(DiedError):
        crash_point("before_commit")
    with pytest.raises(DiedError):
        crash_point("after_mark", "inventory")
    assert deaths == [EXIT_CODE] * 2


def test_once_is_once(deaths, folder):
    (folder / "order.before_commit").write_text("once")
    with pytest.raises(DiedError):
        crash_point("before_commit")
    crash_point("before_commit")
    assert deaths == [EXIT_CODE]


def test_template_deploys_no_crash_points():
    assert "CRASH_POINTS" not in TEMPLATE.read_text()
