"""docs/scaling.md quotes what its script prints, and docs/aws.md names parameters, tasks and commands that there are."""

import re
from pathlib import Path

from infra.deploy.template import load
from tests.bench import scaling

PROJECT = Path(__file__).resolve().parents[3]
SCALING, AWS = ((PROJECT / "docs" / name).read_text() for name in ("scaling.md", "aws.md"))


def test_tables_are_those_that_the_script_prints():
    assert f"```text\n{scaling.report()}\n```" in SCALING


def test_costs_and_assumptions_are_those_of_the_script():
    costs = scaling.COSTS
    for milliseconds in (costs.take, costs.batch, costs.event, costs.database, costs.redis, costs.trip, costs.invoke):
        assert f"{milliseconds * 1e3:.2f} ms" in SCALING


def test_parameters_and_outputs_of_the_deployment_are_those_of_the_template():
    template = load(PROJECT / "template.yaml")
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", AWS))
    written = set(re.findall(r"\w+", (PROJECT / "template.yaml").read_text()))
    assert named <= written
    # What a deployment has to be told.
    assert {name for name, parameter in template["Parameters"].items() if parameter.get("Default", "") == ""} <= named
    outputs = set(re.findall(r"\$\(output (\w+)\)", AWS))
    assert outputs
    assert outputs <= template["Outputs"].keys()
