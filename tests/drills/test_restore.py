"""What an operator does after a fire: the last backup into an empty system on another machine, and on it goes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.stack import Ports, Stack, launcher
from tests.e2e.client import Clerk, eventually
from tests.e2e.traffic import Traffic


@pytest.fixture
def elsewhere(tmp_path):
    """Another system, on other ports, without data."""
    stack = Stack(tmp_path / "elsewhere", Ports.free())
    try:
        launcher.up(stack)
        yield stack
    finally:
        launcher.down(stack)


def inventory(stack, *arguments):
    command = [Path(sys.executable).with_name("inventory"), "--run-dir", stack.run_dir, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=stack.environment())


def test_a_backup_made_under_load_becomes_a_whole_system_elsewhere(system, elsewhere, tmp_path):
    file = tmp_path / "backup"
    with Traffic(system.gateway_url) as traffic:
        began = time.monotonic()
        made = inventory(system, "backup", str(file), "--json")
        traffic.goes_on()
    assert made.returncode == 0, made.stderr
    assert traffic.failures == []

    restored = inventory(elsewhere, "restore", str(file))
    assert restored.returncode == 0, restored.stderr

    clerk = Clerk(elsewhere.gateway_url)
    there = clerk.get("/api/orders", limit=1)["total"]
    assert there == json.loads(made.stdout)["tables"]["orders"]["rows"]
    before = traffic.answered_before(began)
    assert before
    for order in before:
        assert clerk.decided(order)["status"] == "confirmed"
    reconciled = inventory(elsewhere, "reconcile", "--wait", "60")
    assert reconciled.returncode == 0, reconciled.stdout

    # A token of the first system says nothing here, where its user's password does.
    assert clerk.http.get("/api/auth/me", headers={"authorization": f"Bearer {traffic.clerk.token}"}).status_code == 401
    login = {"username": traffic.clerk.username, "password": traffic.clerk.password}
    assert eventually(lambda: clerk.http.post("/api/auth/login", json=login).status_code == 200, what="a turn to sign in")


def test_a_restore_over_a_system_in_use_leaves_nothing_of_it_in_any_cache(elsewhere, tmp_path):
    file = tmp_path / "backup"
    clerk = Clerk(elsewhere.gateway_url)
    product = clerk.stocked_product(10)
    assert inventory(elsewhere, "backup", str(file)).returncode == 0
    clerk.http.put(f"/api/products/{product['id']}", json=product_with(product, name="Renamed")).raise_for_status()
    later = clerk.product()
    for known in (product, later):
        clerk.get(f"/api/products/{known['id']}")

    refused = inventory(elsewhere, "restore", str(file))
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    assert clerk.get(f"/api/products/{product['id']}")["name"] == "Renamed"

    assert inventory(elsewhere, "restore", str(file), "--replace").returncode == 0
    assert clerk.http.get("/api/auth/me").status_code == 401
    again = Clerk(elsewhere.gateway_url)
    assert again.get(f"/api/products/{product['id']}")["name"] == product["name"]
    assert again.http.get(f"/api/products/{later['id']}").status_code == 404
    assert again.stock(product) == 10


def product_with(product, **fields):
    names = ("product_code", "name", "category", "price_buy", "price_sell", "measure_unit", "supplier_id")
    return {name: product[name] for name in names} | fields
