"""A backup is the whole system as of one moment, or it is not there; and what is made of it goes on where it was."""

import json
import signal
import subprocess
import sys
import threading
import zipfile

import pymysql
import pytest
from pymysql.cursors import Cursor

from infra.backup.archive import MANIFEST, BackupError, reading
from infra.backup.database import rows_of
from infra.backup.making import back_up
from infra.backup.restoring import check, load, refuse_unless_empty
from infra.database import connected
from infra.progress import Silent
from infra.reconcile.reconciliation import reconcile_database
from infra.stack.instance import PROJECT_DIR
from tests.factories import given_customer, given_order, given_procurement, given_product
from tests.integration.backup.conftest import migrate
from tests.integration.services.conftest import undelivered


class Trade(threading.Thread):
    """Buys and sells until told to stop; `answered` are the orders that were answered 201 so far."""

    def __init__(self, api, deliver):
        super().__init__(daemon=True)
        self._api, self._deliver = api, deliver
        self.product, self._customer = given_product(api, stock=10_000), given_customer(api)
        self.answered = []
        self._more, self._ending = threading.Condition(), threading.Event()

    def run(self):
        while not self._ending.is_set():
            order = given_order(self._api, self.product, customer_id=self._customer["id"])
            with self._more:
                self.answered.append(order["id"])
                self._more.notify_all()
            if order["id"] % 3 == 0:
                given_procurement(self._api, self.product, 5)
            # Mostly behind, so that a backup at nearly any moment finds events on their way.
            if order["id"] % 7 == 0:
                self._deliver()

    def goes_on(self):
        """Return once ten more orders are answered."""
        wanted = len(self.answered) + 10
        with self._more:
            assert self._more.wait_for(lambda: len(self.answered) >= wanted, 30)

    def stop(self):
        self._ending.set()
        self.join(30)
        assert not self.is_alive()


class Watching(Silent):
    """Has something happen after the backup's moment, before its rows are read."""

    def __init__(self, then):
        self._then = then

    def begin(self, phase, total):
        self._then()


def checksums(addresses):
    with connected(addresses, addresses["DATABASE_NAME"]) as connection, connection.cursor(Cursor) as cursor:
        tables = sorted(rows_of(connection, addresses["DATABASE_NAME"]))
        cursor.execute(f"CHECKSUM TABLE {', '.join(tables)} EXTENDED")
        return {name.split(".")[1]: checksum for name, checksum in cursor.fetchall()}


def test_what_was_answered_before_a_backup_under_load_is_in_the_restored_system_and_all_of_it_agrees(
    api, deliver, addresses, restored, tmp_path
):
    trade = Trade(api, deliver)
    trade.start()
    trade.goes_on()
    before = list(trade.answered)
    made = back_up(addresses, tmp_path / "b", Watching(trade.goes_on))
    trade.stop()

    there = restored(tmp_path / "b")

    orders = {order["id"] for order in api.get("/api/orders?limit=500").json["orders"]}
    assert set(before) <= orders < set(trade.answered)
    assert len(orders) == made.tables["orders"].rows
    # The events that were on their way are told now, each once.
    assert len(undelivered()) == made.undelivered_events
    deliver()
    assert reconcile_database(there, grace=0).mismatches == []
    assert {order["status"] for order in api.get("/api/orders?limit=500").json["orders"]} == {"confirmed"}
    # And the system goes on.
    assert given_order(api, trade.product)["id"] > max(orders)


def test_every_value_comes_back_as_it_was(addresses, elsewhere, tmp_path):
    migrate(elsewhere, "head")
    texts = ["", 'O\'Neill \\ "quoted"', "line\nbreak\r\n\ttab\x00\x1a", "ünïcödé 🧮", "%s %(name)s ; -- /*", None]
    with connected(elsewhere, elsewhere["DATABASE_NAME"]) as connection, connection.cursor(Cursor) as cursor:
        cursor.execute(
            "CREATE TABLE odd (id INT PRIMARY KEY AUTO_INCREMENT, t MEDIUMTEXT, c VARCHAR(99) CHARACTER SET ascii, d DECIMAL(15,3),"
            " m DATETIME(6), b VARBINARY(99), f BIT(3), n BIGINT, j JSON, `odd ``name%%` INT DEFAULT 7, g BIGINT AS (n + 1) STORED)"
        )
        for text in texts:
            cursor.execute("INSERT INTO odd (t, b, d, n) VALUES (%s, %s, -0.001, -9223372036854775807)", (text, text and text.encode()))
        cursor.execute("INSERT INTO odd (id, c, d, m, f, j) VALUES (0, 'x', 999999999999.999, '2026-01-02 03:04:05.000006', b'101', '{}')")
        cursor.execute("ALTER TABLE odd AUTO_INCREMENT = 1000")
        connection.commit()
    before = checksums(elsewhere)
    made = back_up(elsewhere, tmp_path / "b", Silent())

    with reading(tmp_path / "b") as backup:
        staged = load(backup, elsewhere, Silent(), PROJECT_DIR)
    with connected(elsewhere) as connection, connection.cursor(Cursor) as cursor:
        assert checksums({**elsewhere, "DATABASE_NAME": staged}) == before
        cursor.execute(f"INSERT INTO {staged}.odd (n) VALUES (1)")
        assert cursor.lastrowid == 1000
        cursor.execute(f"DROP DATABASE {staged}")
    assert made.tables["odd"].rows == len(texts) + 1


def test_a_backup_of_an_older_schema_is_restored_under_the_newest(addresses, elsewhere, tmp_path):
    migrate(elsewhere, "0002")
    with connected(elsewhere, elsewhere["DATABASE_NAME"]) as connection, connection.cursor(Cursor) as cursor:
        cursor.execute("INSERT INTO suppliers (name, city, address, contact_person) VALUES ('S', 'C', 'A', 'P')")
        cursor.execute(
            "INSERT INTO products (product_code, name, category, price_buy, price_sell, measure_unit, supplier_id)"
            " VALUES ('P', 'P', 'c', 1.5, 2, 'piece', 1)"
        )
        cursor.execute("INSERT INTO storages (product_id, quantity) VALUES (1, 0)")
        connection.commit()
    assert back_up(elsewhere, tmp_path / "b", Silent()).schema_version == "0002"

    with reading(tmp_path / "b") as backup:
        staged = load(backup, elsewhere, Silent(), PROJECT_DIR)
    with connected(elsewhere, staged) as connection, connection.cursor(Cursor) as cursor:
        cursor.execute("SELECT version_num FROM alembic_version")
        ((newest,),) = cursor.fetchall()
        cursor.execute("SELECT price_buy FROM storages")
        ((price,),) = cursor.fetchall()
        cursor.execute(f"DROP DATABASE {staged}")
    assert newest > "0002"
    assert str(price) == "1.50"


def test_a_system_that_is_not_empty_is_not_overwritten(api, addresses):
    refuse_unless_empty(addresses)
    given_customer(api)
    with pytest.raises(BackupError, match="not empty: it has 1 customers, 1 outbox"):
        refuse_unless_empty(addresses)


def test_a_file_that_is_not_the_whole_backup_is_refused(api, addresses, tmp_path):
    given_customer(api)
    whole, part = tmp_path / "whole", tmp_path / "part"
    back_up(addresses, whole, Silent())
    assert check(whole, Silent(), PROJECT_DIR).tables["customers"].rows == 1
    content = whole.read_bytes()

    for end in range(0, len(content), len(content) // 50):
        part.write_bytes(content[:end])
        with pytest.raises(BackupError):
            check(part, Silent(), PROJECT_DIR)
    for place in range(0, len(content), len(content) // 50):
        part.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            assert check(part, Silent(), PROJECT_DIR) == check(whole, Silent(), PROJECT_DIR)  # a bit that means nothing: a date, say
        except BackupError:
            continue


def rewritten(path, changes):
    """The same backup with some files of it replaced, as somebody with a zip program would."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files = {name: content for name, content in {**files, **changes}.items() if content is not None}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data/customers.sql": b"INSERT INTO users VALUES (1);\n"}, "customers.sql is not what was written"),
        ({"data/customers.sql": None}, "other files than its manifest names: data/customers.sql"),
        ({"data/more.sql": b"DROP TABLE users;\n"}, "other files than its manifest names: data/more.sql"),
        ({MANIFEST: None}, "no manifest"),
        ({MANIFEST: b"{}"}, "not one that this version reads"),
        ({MANIFEST: b'{"format": 1}'}, "manifest is incomplete"),
        ({MANIFEST: "newer"}, "does not know its schema 9999"),
    ],
)
def test_a_backup_that_somebody_changed_is_refused(changes, said, addresses, tmp_path):
    path = tmp_path / "b"
    made = back_up(addresses, path, Silent())
    rewritten(path, {MANIFEST: json.dumps({**made.document(), "schema_version": "9999"})} if "newer" in changes.values() else changes)
    with pytest.raises(BackupError, match=said):
        check(path, Silent(), PROJECT_DIR)


def test_a_backup_is_not_written_over_unless_asked(addresses, tmp_path):
    path = tmp_path / "b"
    back_up(addresses, path, Silent())
    kept = path.read_bytes()
    with pytest.raises(BackupError, match="there already"):
        back_up(addresses, path, Silent())
    with pytest.raises(pymysql.OperationalError):
        back_up({**addresses, "DATABASE_PORT": "1"}, path, Silent(), overwrite=True)
    assert path.read_bytes() == kept
    back_up(addresses, path, Silent(), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert path.stat().st_mode & 0o777 == 0o600


# Backs up to argv[1], within a file size of argv[2] bytes, and says when it is in the middle.
BACKING_UP = """
import os, resource, sys, time
from pathlib import Path
from infra.backup.making import back_up
from infra.progress import Silent

class Slow(Silent):
    def begin(self, phase, total):
        print("in the middle", flush=True)
        if len(sys.argv) > 3:
            time.sleep(60)

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
back_up(os.environ, Path(sys.argv[1]), Slow())
"""


def backing_up(addresses, *arguments):
    command = [sys.executable, "-c", BACKING_UP, *map(str, arguments)]
    return subprocess.Popen(command, env=dict(addresses), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one_and_the_next_succeeds(addresses, tmp_path):
    path = tmp_path / "b"
    with backing_up(addresses, path, 10**9, "slowly") as process:
        assert process.stdout.readline()
        with pytest.raises(BackupError, match="just being written by another"):
            back_up(addresses, path, Silent())
        process.send_signal(signal.SIGKILL)
    assert [path.name for path in tmp_path.iterdir()] == ["b.unfinished"]
    with pytest.raises(BackupError):
        check(tmp_path / "b.unfinished", Silent(), PROJECT_DIR)
    back_up(addresses, path, Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_full_disk_leaves_no_file_and_says_so(addresses, tmp_path):
    with backing_up(addresses, tmp_path / "b", 2000) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "cannot be written: File too large" in errors
    assert [path.name for path in tmp_path.iterdir()] == []
