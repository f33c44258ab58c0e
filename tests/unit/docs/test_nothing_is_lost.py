"""What docs/nothing-is-lost.md says of crash points, tests and faults is so."""

import re
from pathlib import Path
from typing import get_args

from common.crash_points import Point
from tests.chaos.kinds import ARGUMENTS

PROJECT = Path(__file__).resolve().parents[3]
PAGE = (PROJECT / "docs" / "nothing-is-lost.md").read_text()
STEPS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]


def test_every_crash_point_there_is_stands_in_the_page_and_no_other():
    of_steps = {step[5].strip("`") for step in STEPS}
    assert of_steps | {"at_start"} == set(get_args(Point))
    assert "`at_start`" in PAGE


def test_every_crash_point_is_somewhere_in_the_code():
    code = "".join(path.read_text() for folder in ("layers/common", "infra/bridge") for path in (PROJECT / folder).rglob("*.py"))
    assert set(re.findall(r'crash_point\("(\w+)"', code)) == set(get_args(Point))


def test_every_step_names_a_test():
    assert all(re.search(r"`tests/[\w/]+\.py::\w+`", step[6]) for step in STEPS)


def test_the_faults_are_those_that_can_be_made():
    assert set(re.findall(r"`([^`]+)`", PAGE.split("The faults:")[1])) == set(ARGUMENTS)
