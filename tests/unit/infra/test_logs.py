"""Logs stay within their size, under the hands of whoever writes them."""

import pytest

from infra.stack import logs
from infra.stack.logs import KEPT, open_log, tail, turn_over


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LARGEST", 100)
    return tmp_path / "logs" / "server.log"


def content(log, number):
    return log.with_name(f"{log.name}.{number}").read_text()


def test_a_log_is_turned_over_while_somebody_has_it_open_and_no_line_is_lost(log):
    with open_log(log) as output:
        for number in range(30):
            output.write(f"line {number:02}\n".encode())
            output.flush()
            turn_over(log)
            assert log.stat().st_size <= 100
        written = content(log, 2) + content(log, 1) + log.read_text()
    assert written.splitlines() == [f"line {number:02}" for number in range(30 - len(written.splitlines()), 30)]
    assert sorted(path.name for path in log.parent.iterdir()) == ["server.log", *(f"server.log.{n}" for n in range(1, KEPT + 1))]


def test_a_small_log_is_gone_on_with(log):
    for word in ("first", "second"):
        with open_log(log) as output:
            output.write(f"{word}\n".encode())
    assert tail(log, 10) == ["first", "second"]
    assert tail(log, 10, begin=len("first\n")) == ["second"]
    assert tail(log, 1) == ["second"]


def test_a_large_one_is_turned_over_before_it_is_opened(log):
    for word in ("x" * 101, "new"):
        with open_log(log) as output:
            output.write(word.encode())
    assert (content(log, 1), log.read_text()) == ("x" * 101, "new")


def test_a_log_that_is_not_there_has_no_last_words(log):
    turn_over(log)
    assert tail(log, 5) == []
