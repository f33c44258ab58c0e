"""What the README says is so."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from common.topology import TOPOLOGY
from infra.cli.main import app
from infra.stack import Ports

PROJECT = Path(__file__).resolve().parents[3]
README = (PROJECT / "README.md").read_text()
DOCUMENTS = [PROJECT / "README.md", PROJECT / "localstack" / "README.md", *(PROJECT / "docs").rglob("*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#]+)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing


def test_make_targets_exist():
    makefile = (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"make ([a-z][a-z-]+)", README))
    local = {target for target in named if target.startswith("local-")}
    assert named - local <= targets
    services = re.search(r"^SERVICES := (.*)$", makefile, re.MULTILINE).group(1).split()
    assert local == {f"local-{service}" for service in services}


def test_inventory_commands_exist():
    commands = set(get_command(app).commands)
    named = set(re.findall(r"^\$ inventory ([a-z-]+)", README, re.MULTILINE)) | set(re.findall(r"`inventory ([a-z-]+)", README))
    assert named
    assert named <= commands


def test_addresses_are_those_of_a_system_started_without_an_offset():
    ports = Ports()
    for port in (ports.gateway, ports.localstack, ports.mysql, ports.redis):
        assert f":{port}" in README
    alone = dict(re.findall(r"`make local-(\w+)` :(\d+)", README))
    assert alone == {service: str(getattr(ports, service)) for service in alone}
    assert len(alone) == 7


def test_the_table_of_services_tells_the_topology():
    rows = [line.split("|") for line in README.splitlines() if line.startswith("| [")]
    for row in rows:
        service = re.search(r"\[(\w+)\]", row[1]).group(1)
        tells, listens = set(re.findall(r"`(\w+)`", row[3])), set(re.findall(r"`(\w+)`", row[4]))
        assert tells == {channel.name for channel in TOPOLOGY.values() if channel.publisher == service}
        assert listens == {channel.name for channel in TOPOLOGY.values() if service in channel.consumers}
    assert len(rows) == 7


def test_sample_events_named_exist():
    for path in re.findall(r"functions/\w+/sample_events/\w+\.json", README):
        assert (PROJECT / path).exists(), path
