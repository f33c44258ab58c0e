"""What make does when it is interrupted, and what it does not need."""

import os
import subprocess

import pytest

from infra.stack.instance import PROJECT_DIR

HALF_A_LAYER = """#!/bin/sh
while [ "$1" != --target ]; do shift; done
mkdir -p "$2"
echo half > "$2/half.py"
exit 1
"""
WHOLE_LAYER = HALF_A_LAYER.replace("half", "whole").replace("exit 1", "exit 0")


@pytest.fixture
def make(tmp_path):
    def make(*arguments):
        environment = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
        command = ["make", "--file", PROJECT_DIR / "Makefile", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return make


@pytest.fixture
def build_layer(make, tmp_path):
    lock = tmp_path / "layers" / "some" / "requirements.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    (tmp_path / ".build" / "stamps").mkdir(parents=True)

    def build(installer):
        uv = tmp_path / "uv"
        uv.write_text(installer)
        uv.chmod(0o700)
        return make("--old-file", ".build/stamps/tools", "--always-make", f"UV={uv}", ".build/stamps/layer-some").returncode

    return build


def test_a_layer_has_its_name_when_it_is_whole(build_layer, tmp_path):
    layer = tmp_path / ".build" / "layers" / "some"
    assert build_layer(HALF_A_LAYER) != 0
    assert not layer.exists()
    assert build_layer(WHOLE_LAYER) == 0
    assert build_layer(HALF_A_LAYER) != 0
    assert [path.name for path in (layer / "python").iterdir()] == ["whole.py"]


def test_down_installs_nothing_where_there_is_a_command_that_can_do_it(make, tmp_path):
    command = tmp_path / ".venv" / "bin" / "inventory"
    command.parent.mkdir(parents=True)
    command.touch()
    assert make("--dry-run", "down").stdout.splitlines() == [".venv/bin/inventory down"]
