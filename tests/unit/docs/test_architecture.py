"""The pictures and lists of docs/architecture.md are those of the code."""

import re
from pathlib import Path

from common.topology import TOPOLOGY

PROJECT = Path(__file__).resolve().parents[3]
PAGE = (PROJECT / "docs" / "architecture.md").read_text()


def test_the_picture_of_channels_is_the_topology():
    drawn = {
        (channel, publisher, tuple(sorted(consumers.split(" & "))))
        for publisher, channel, consumers in re.findall(r"^  (\w+) -->\|(\w+)\| ([\w &]+)$", PAGE, re.MULTILINE)
    }
    assert drawn == {(each.name, each.publisher, tuple(sorted(each.consumers))) for each in TOPOLOGY.values()}


def test_the_life_of_an_order_names_functions_that_are_where_it_says():
    life = PAGE.split("## The life of an order")[1]
    steps = re.findall(r"^\d+\. `([\w/]+\.py)`: (.*)$", life, re.MULTILINE)
    assert len(steps) >= 8
    for path, sentence in steps:
        first = re.search(r"`([A-Za-z_]\w*)`", sentence)
        if first and first.group(1) not in TOPOLOGY:
            assert re.search(rf"\b{first.group(1)}\b", (PROJECT / path).read_text()), (path, first.group(1))
