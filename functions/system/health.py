"""The health of the whole, asked of every service at the same time."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from common.aws import get_client
from common.errors import UnavailableError
from common.events import CONSUMERS
from common.liveness import consumer_states
from common.services import ask_health

# Each service's routes begin with /api/<plural>.
PLURALS = {
    "auth": "auth",
    "supplier": "suppliers",
    "customer": "customers",
    "product": "products",
    "inventory": "inventory",
    "procurement": "procurements",
    "order": "orders",
}


def health() -> tuple[int, dict[str, Any]]:
    """HTTP status and document: `ok`, `degraded` (200) when something limps, `down` (503) when a service cannot work."""
    get_client("lambda")  # boto3 makes clients in one thread at a time
    with ThreadPoolExecutor(max_workers=len(PLURALS)) as asking:
        asked = {service: asking.submit(copy_context().run, ask_health, service, plural) for service, plural in PLURALS.items()}
    services = {service: answer.result() for service, answer in asked.items()}
    try:
        consumers = consumer_states(CONSUMERS)
    except UnavailableError as error:
        consumers = {consumer: {"state": "unknown", "error": error.detail} for consumer in CONSUMERS}
    states = {service["status"] for service in services.values()}
    running = all(consumer["state"] == "running" for consumer in consumers.values())
    status = "down" if "down" in states else "ok" if states == {"ok"} and running else "degraded"
    return (503 if status == "down" else 200), {"status": status, "services": services, "consumers": consumers}
