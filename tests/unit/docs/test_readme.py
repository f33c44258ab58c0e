"""What the README says is so."""

import re
from pathlib import Path

from common.topology import TOPOLOGY
from infra.stack import Ports

PROJECT = Path(__file__).resolve().parents[3]
SERVICES = {path.parts[-3] for path in (PROJECT / "functions").glob("*/.chalice/config.json")}
README = (PROJECT / "README.md").read_text()


def test_addresses_are_those_of_a_system_started_without_an_offset():
    ports = Ports()
    for port in (ports.gateway, ports.localstack, ports.mysql, ports.redis):
        assert f":{port}" in README
    alone = dict(re.findall(r"`make local-(\w+)` :(\d+)", README))
    assert alone == {service: str(getattr(ports, service)) for service in alone}
    assert set(alone) == SERVICES


def test_the_table_of_services_tells_the_topology():
    rows = [line.split("|") for line in README.splitlines() if line.startswith("| [")]
    for row in rows:
        service = re.search(r"\[(\w+)\]", row[1]).group(1)
        tells, listens = set(re.findall(r"`(\w+)`", row[3])), set(re.findall(r"`(\w+)`", row[4]))
        assert tells == {channel.name for channel in TOPOLOGY.values() if channel.publisher == service}
        assert listens == {channel.name for channel in TOPOLOGY.values() if service in channel.consumers}
    assert len(rows) == len(SERVICES)
