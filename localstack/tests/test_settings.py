from __future__ import annotations

from pathlib import Path

import pytest

from localstack_process_runtime.runtime import _check_python, _sandbox
from localstack_process_runtime.settings import Address, Settings, SettingsError


def test_everything_has_a_default():
    settings = Settings.from_variables({})
    assert not settings.process_executor
    assert settings.edge_listen is None
    assert settings.limits.per_function >= 1
    assert settings.fork
    assert settings.sandbox


def test_variables_are_read():
    settings = Settings.from_variables(
        {
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "EDGE_LISTEN": ":8000",
            "PROCESS_RUNTIME_MAX_TOTAL": "3",
            "PROCESS_RUNTIME_IDLE_SECONDS": "1.5",
            "PROCESS_RUNTIME_SANDBOX": "ignored",
            "PROCESS_RUNTIME_READABLE": "/srv/models:/srv/words:",
        }
    )
    assert settings.process_executor
    assert settings.edge_listen == Address("127.0.0.1", 8000)
    assert (settings.limits.total, settings.limits.idle_seconds) == (3, 1.5)
    assert not settings.sandbox
    assert settings.readable == {Path("/srv/models"), Path("/srv/words")}
    assert settings.writable == frozenset()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EDGE_LISTEN", "8000"),
        ("PROCESS_RUNTIME_MAX_TOTAL", "many"),
        ("PROCESS_RUNTIME_MAX_PER_FUNCTION", "0"),
        ("PROCESS_RUNTIME_INIT_SECONDS", "-1"),
        ("PROCESS_RUNTIME_SPAWN", "forked"),
        ("PROCESS_RUNTIME_SANDBOX", "on"),
        ("PROCESS_RUNTIME_WRITABLE", "here"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str):
    with pytest.raises(SettingsError, match=name):
        Settings.from_variables({name: value})


def test_an_interpreter_that_cannot_run_functions_is_named():
    with pytest.raises(SettingsError, match="PROCESS_RUNTIME_PYTHON='/nowhere/python' does not run"):
        _check_python("/nowhere/python")


@pytest.mark.parametrize(("directory", "home", "given"), [("/srv/runtime", "/srv/home", True), ("/tmp/runtime", "/srv/home", False)])
def test_functions_may_write_to_tmp_as_on_aws_unless_something_of_localstacks_lies_there(
    directory: str, home: str, given: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", home)
    rules = _sandbox(Settings.from_variables({"PROCESS_RUNTIME_DIR": directory, "PROCESS_RUNTIME_WRITABLE": "/srv/inbox"}))
    assert rules is not None
    assert rules.writable == {Path("/srv/inbox"), *([Path("/tmp")] if given else [])}
    assert _sandbox(Settings.from_variables({"PROCESS_RUNTIME_SANDBOX": "ignored"})) is None
