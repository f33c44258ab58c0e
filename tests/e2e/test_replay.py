"""Real lines through the running system, and the operator's check afterwards."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pymysql
import pytest

from infra.stack.instance import PROJECT_DIR
from tests.e2e.client import Clerk, eventually
from tests.e2e.invoice_lines import command, invoice_lines, run_command

LINES = 300


@pytest.fixture
def file(tmp_path):
    return invoice_lines(tmp_path, LINES)


def accounted_for(outcome, lines=LINES):
    return outcome["lines"] == lines == outcome["orders"] + outcome["returns"] + outcome["reported"] and outcome["adds_up"]


@pytest.mark.timeout(900)
def test_a_file_is_sold_twice_at_once_and_everything_reconciles(system, file):
    running = [
        subprocess.Popen(command(system, "replay", str(file), "--json"), cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outcomes = [json.loads(process.communicate(timeout=280)[0]) for process in running]

    assert [process.returncode for process in running] == [0, 0], outcomes
    for outcome in outcomes:
        assert accounted_for(outcome)
        assert outcome["statuses"] == {"confirmed": outcome["orders"], "rejected": 0, "pending": 0, "cancelled": 0}
        assert outcome["applied"] == outcome["orders"]
        assert outcome["reconciliation"]["reconciled"]
    products = {p["product_code"] for p in Clerk(system.gateway_url).get("/api/products", limit=500)["products"]}
    assert len(products) >= outcomes[0]["products"]
    assert run_command(system, "reconcile", "--wait", "30")["reconciled"]


def test_messy_lines_are_reported_in_a_file(system, tmp_path):
    file, report = tmp_path / "messy.csv", tmp_path / "report.json"
    header = "invoice_no,stock_code,description,quantity,invoiced_at,unit_price,customer_id,country\n"
    file.write_text(
        header + "1,MESSY-1,LAMP,2,2010-12-01,1.5,,EIRE\n1,MESSY-1,,0,2010-12-01,1.5,,EIRE\n1,MESSY-2,,4,2010-12-01,0,,EIRE\nnonsense\n"
    )
    outcome = run_command(system, "replay", str(file), "--report", str(report))
    assert outcome["reported_by_kind"] == {"zero_quantity": [3], "nothing_known": [4], "unreadable": [5]}
    assert [line["number"] for line in json.loads(report.read_text())] == [3, 4, 5]


def test_a_replay_killed_in_the_middle_is_resumed_and_doubles_nothing(system, file, tmp_path):
    clerk = Clerk(system.gateway_url)
    before = clerk.get("/api/orders", limit=1)["total"]
    said = tmp_path / "said"
    with said.open("w") as errors:
        broken_off = subprocess.Popen(command(system, "replay", str(file)), cwd=PROJECT_DIR, stdout=errors, stderr=errors)
    eventually(lambda: clerk.get("/api/orders", limit=1)["total"] > before + 30, seconds=120, what="orders of the replay")
    broken_off.send_signal(signal.SIGKILL)
    broken_off.wait()

    run_id = re.search(r"--resume (\S+)", said.read_text())[1]
    outcome = run_command(system, "replay", str(file), "--resume", run_id)

    assert accounted_for(outcome)
    assert outcome["answered_before"] >= 30
    assert clerk.get("/api/orders", limit=1)["total"] == before + outcome["orders"]


def test_the_reconciliation_fails_where_stock_was_changed_behind_everybodys_back(system):
    clerk = Clerk(system.gateway_url)
    product = clerk.stocked_product(7)
    address = system.addresses()
    database = pymysql.connect(
        host=address["DATABASE_HOST"], port=int(address["DATABASE_PORT"]), user=address["DATABASE_USER"],
        password=address["DATABASE_PASSWORD"], database=address["DATABASE_NAME"], autocommit=True,
    )  # fmt: skip
    change = "UPDATE storages SET quantity = quantity + %s WHERE product_id = %s"
    with database, database.cursor() as cursor:
        cursor.execute(change, (1, product["id"]))
        try:
            told = run_command(system, "reconcile", code=1)
        finally:
            cursor.execute(change, (-1, product["id"]))
    found = {mismatch["check"] for mismatch in told["mismatches"] if mismatch["subject"] == f"product {product['id']}"}
    assert found == {"stock_is_sum_of_movements", "stock_is_what_was_traded", "service_reconciles"}


def test_seeding_gives_something_to_look_at_and_can_be_repeated(system):
    assert run_command(system, "seed")["products"] == 12
    assert set(run_command(system, "seed").values()) == {0}
    orders = Clerk(system.gateway_url).get("/api/orders", q="DEMO-", limit=100)
    assert orders["total"] == 20
