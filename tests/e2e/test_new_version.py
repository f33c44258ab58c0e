"""A new version with its migration is put in place, and the whole is stopped and started, while people work."""

from __future__ import annotations

import shutil

import pytest

from infra.database import connected
from infra.deploy.deployment import deploy
from infra.stack import Stack, launcher
from infra.stack.instance import PROJECT_DIR
from tests.e2e.client import Clerk
from tests.e2e.invoice_lines import run_command
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.supervised


@pytest.fixture
def new_version(system, tmp_path):
    """The running system, seen from a copy of its code in which every answer names the version."""
    code = tmp_path / "code"
    shutil.copytree(PROJECT_DIR / "functions", code / "functions", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PROJECT_DIR / "layers", code / "layers", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT_DIR / "template.yaml", code)
    (code / ".build").symlink_to(PROJECT_DIR / ".build")
    http = code / "layers/common/python/common/http.py"
    before = http.read_text()
    http.write_text(before.replace('headers = {"X-Trace-Id"', 'headers = {"X-Version": "new", "X-Trace-Id"'))
    assert http.read_text() != before
    return Stack(system.run_dir, system.ports, project_dir=code)


def statuses_of(clerk, product):
    """Of all its orders, by their ids."""
    found, after = {}, 0
    while after is not None:
        page = clerk.get("/api/orders", product_id=product["id"], limit=500, after=after)
        found |= {order["id"]: order["status"] for order in page["orders"]}
        after = page["next_after"]
    return found


def is_a_refusal(failure: str) -> bool:
    """Nothing was taken and the client knows: nobody listens any more, or it is told that the system is being stopped."""
    return "ConnectError" in failure or (": 503 " in failure and '"shutting_down"' in failure)


@pytest.mark.timeout(900)
def test_a_new_version_fails_no_request_and_stopping_the_system_loses_none(system, new_version):
    with Traffic(system.gateway_url) as traffic:
        version_before = traffic.clerk.http.get("/api/orders").headers.get("x-version")
        # What a migration may do before the code that needs it is there: add.
        with connected(system.addresses()) as connection, connection.cursor() as cursor:
            for change in ("ADD COLUMN remark VARCHAR(40)", "ADD INDEX ix_remark (remark)"):
                for table in ("orders", "storages", "outbox"):
                    cursor.execute(f"ALTER TABLE {table} {change}")
        deploy(new_version, lambda _: None)
        traffic.goes_on()
        assert traffic.failures == []
        assert version_before is None
        for path in ("/api/orders", "/api/products", "/api/inventory", "/api/customers"):
            assert traffic.clerk.http.get(path).headers["x-version"] == "new"

        launcher.down(system)
    assert traffic.failures
    assert [failure for failure in traffic.failures if not is_a_refusal(failure)] == []

    launcher.up(system)

    with connected(system.addresses()) as connection, connection.cursor() as cursor:
        for table in ("orders", "storages", "outbox"):
            cursor.execute(f"ALTER TABLE {table} DROP COLUMN remark")
    clerk = Clerk(system.gateway_url)
    assert "x-version" not in clerk.http.get("/api/orders").headers
    assert run_command(system, "reconcile", "--wait", "120")["reconciled"]
    statuses = statuses_of(clerk, traffic.product)
    assert {statuses.get(order) for order in traffic.orders} == {"confirmed"}
