"""How many environments each function may have, for as many connections as the database takes: `python -m infra.aws.concurrency`.

CloudFormation cannot compute, so the results stand in template.yaml, as the mapping `Concurrency`; a test compares them.
"""

from __future__ import annotations

from common.db import CONNECTIONS_PER_PROCESS

SIZES = (200, 400, 800, 1600)
"""Connections a database may take, of which the parameter DatabaseConnections is one."""

# A tenth stays for whoever administers the database, as RDS Proxy is told as well. A bridge has one connection for each consumer, three
# for what its caretaker looks after, and two for live events; there are two bridges, and two more while a new version takes their place.
SPARE = 0.1
BRIDGES, OF_A_BRIDGE = 4, 9

# The bridge invokes a consumer one batch at a time; there may be another for as long as a bridge that has lost its lease does not know.
OF_A_CONSUMER = 2
CONSUMERS = ("ProductConsumer", "InventoryConsumer", "ProcurementConsumer", "OrderConsumer")

# By how often functions are asked and how long they take (docs/scaling.md): each request asks the authorizer, but half a minute long
# only once for each token; an order asks customer, product and inventory unless they are cached.
WEIGHTS = {
    "Authorizer": 12,
    "Auth": 6,
    "Supplier": 6,
    "Customer": 10,
    "Product": 18,
    "Inventory": 14,
    "Procurement": 8,
    "Order": 22,
    "System": 4,
}


def shares(connections: int) -> dict[str, int]:
    """The reserved concurrency of each function, by its name without `Function`."""
    left = int(connections * (1 - SPARE)) - BRIDGES * OF_A_BRIDGE
    environments = left // CONNECTIONS_PER_PROCESS - OF_A_CONSUMER * len(CONSUMERS)
    weighed = {name: max(1, environments * weight // sum(WEIGHTS.values())) for name, weight in WEIGHTS.items()}
    return weighed | dict.fromkeys(CONSUMERS, OF_A_CONSUMER)


def main() -> None:
    """Print the mapping as it stands in the template."""
    for size in SIZES:
        print(f'    "{size}": {{{", ".join(f"{name}: {count}" for name, count in shares(size).items())}}}')  # noqa: T201  # a command


if __name__ == "__main__":
    main()
