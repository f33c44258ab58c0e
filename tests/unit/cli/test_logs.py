"""`inventory logs` tells each line of a file once, and whole, whatever its writer is at."""

import pytest

from infra.cli import logs
from infra.cli.logs import FileLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "server.log"


def write(path, text):
    with path.open("a") as log:
        log.write(text)


def test_a_line_that_is_being_written_is_told_once_it_is_whole(path):
    write(path, "first\nsecond\nthi")
    log = FileLog(path)
    assert log.last(40) == ["first", "second"]
    assert log.added() == []
    write(path, "rd\nfour")
    assert log.added() == ["third"]
    write(path, "th\n")
    assert log.added() == ["fourth"]


def test_what_was_written_before_one_looked_is_told_once(path):
    write(path, "first\n")
    log = FileLog(path)
    write(path, "second\n")
    assert log.last(1) == ["second"]
    assert log.added() == []


@pytest.mark.parametrize("lines", [0, 1, 2, 100])
def test_so_many_last_lines_are_told_however_many_there_are(path, lines):
    written = [f"line {number}" for number in range(7)]
    write(path, "".join(f"{line}\n" for line in written))
    assert FileLog(path).last(lines) == written[max(0, 7 - lines) :]
    assert FileLog(path).last(None) == written


def test_of_a_large_file_only_the_end_is_read_and_no_line_is_told_in_part(path, monkeypatch):
    monkeypatch.setattr(logs, "LAST_BYTES", 20)
    write(path, "".join(f"line {number}\n" for number in range(9)))
    assert FileLog(path).last(100) == ["line 7", "line 8"]
    assert len(FileLog(path).last(None)) == 9


def test_a_file_that_is_turned_over_is_read_from_its_beginning(path):
    write(path, "first\nsecond\n")
    log = FileLog(path)
    log.last(1)
    path.write_text("new\n")
    assert log.added() == ["new"]
