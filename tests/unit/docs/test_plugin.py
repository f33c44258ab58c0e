"""What localstack/README.md says of AWS is shown, line by line, by a test of the plugin."""

import re
from pathlib import Path

import pytest

PLUGIN = Path(__file__).resolve().parents[3] / "localstack"
SECTION = (PLUGIN / "README.md").read_text().split("## What it does against AWS, and what it does not\n")[1].split("\n## ")[0]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in SECTION.splitlines() if line.startswith("|")]
LINES = [row for row in ROWS if row[1:] != ["here", "shown by"] and set(row[1]) != {"-"}]


def of_file(file):
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", (PLUGIN / "tests" / file).read_text(), re.MULTILINE))


def shown_by(line):
    return re.findall(r"`(test_\w+\.py)::(test_\w+)`", line[2])


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_a_line_names_tests_that_are_there(line):
    assert shown_by(line)
    assert [f"{file}::{name}" for file, name in shown_by(line) if name not in of_file(file)] == []


def test_a_line_that_says_no_is_shown_by_what_happens_instead():
    said = [line for line in LINES if line[1].startswith("no")]
    assert len(said) > 15
    assert all(line[1].startswith("no: ") for line in said)


def test_every_difference_that_is_tested_stands_in_the_table():
    named = {name for line in LINES for file, name in shown_by(line) if file == "test_differences.py"}
    assert named == of_file("test_differences.py")
