"""A run that was broken off goes on under its own keys, or not at all; and what its figures mean."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from infra.replay.driving import Driven
from infra.replay.figures import milliseconds, percentile
from infra.replay.lines import Reported
from infra.replay.replaying import Replayed
from infra.replay.report import write_report
from infra.replay.run import NotResumableError, Run


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "lines.csv"
    made.write_text("a\n")
    return made


def test_a_resumed_run_has_the_keys_it_began_with(tmp_path, file):
    run = Run.new(file, 5, "http://gateway")
    run.remember(tmp_path, "me")
    again = Run.resumed(tmp_path, run.run_id, file, "me")
    assert again == run
    assert again.key("line 2") == run.key("line 2") != Run.new(file, 5, "http://gateway").key("line 2")


def test_a_run_is_not_resumed_where_its_keys_protect_nothing(tmp_path, file):
    run = Run.new(file, None, "http://gateway")
    run.remember(tmp_path, "me")
    with pytest.raises(NotResumableError, match="made as me"):
        Run.resumed(tmp_path, run.run_id, file, "somebody else")
    with pytest.raises(NotResumableError, match=run.run_id):
        Run.resumed(tmp_path, "another", file, "me")

    old = dataclasses.replace(run, run_id="old", started_at=(datetime.now(UTC) - timedelta(hours=23)).isoformat())
    old.remember(tmp_path, "me")
    with pytest.raises(NotResumableError, match="forgotten its keys"):
        Run.resumed(tmp_path, "old", file, "me")

    file.write_text("b\n")
    with pytest.raises(NotResumableError, match="not the file"):
        Run.resumed(tmp_path, run.run_id, file, "me")


def test_percentiles_are_of_values_that_were_measured():
    values = [n / 1000 for n in range(1, 101)]
    assert milliseconds(values, 50, 95, 99) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert percentile([], 50) is None
    assert percentile([3.0], 99) == 3.0


def replayed(**fields):
    driven = Driven(orders={2: 1, 3: 2}, returns={4})
    reported = [Reported(5, "blank", "", "")]
    return Replayed(
        **{"run_id": "r", "lines": 4, "driven": driven, "reported": reported, "statuses": Counter(confirmed=2), "retries": Counter()}
        | fields
    )


def test_a_run_is_good_only_if_every_line_is_accounted_for_once():
    assert replayed().good
    assert not replayed(lines=5).good
    assert not replayed(reported=[Reported(4, "refused", "", "")]).good
    assert not replayed(reported=[Reported(5, "unanswered", "", "")]).good
    assert not replayed(statuses=Counter(confirmed=1, pending=1)).good


@pytest.mark.parametrize("name", ["report.csv", "report.json"])
def test_the_report_names_each_line(tmp_path, name):
    write_report(tmp_path / name, [Reported(5, "blank", "nothing on the line", ""), Reported(9, "unreadable", "x", 'a,"é')])
    written = (tmp_path / name).read_text()
    assert "blank" in written
    assert "9" in written
    assert "é" in written
