"""Which Pythons the system runs with is said alike wherever it is said."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def first(pattern, path):
    found = re.search(pattern, (PROJECT / path).read_text(), re.MULTILINE)
    assert found, f"{path} says nothing of it"
    return found.groups()


def test_makefile_template_plugin_and_documents_name_the_same():
    pythons = first(r"^PYTHONS := (.+)$", "Makefile")[0].split()
    oldest, newest = pythons[0], pythons[-1]
    assert [f"python{each}" for each in pythons] == first(r"AllowedValues: \[(python3.*)\]", "template.yaml")[0].split(", ")
    behind = f"3.{int(newest.partition('.')[2]) + 1}"
    project = tomllib.loads((PROJECT / "localstack/pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={oldest},<{behind}"
    assert first(r"Python (3\.\d+) to (3\.\d+) and `make`", "README.md") == (oldest, newest)
    assert first(r"Python \((3\.\d+) to (3\.\d+)\)", "localstack/README.md") == (oldest, newest)
