"""How much demo data is made in bulk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How many of each; what is not counted here (procurements, alerts, events) follows from the trade."""

    suppliers: int
    customers: int
    products: int
    orders: int
    movements: int

    def __post_init__(self) -> None:
        """Raises ValueError where such a company cannot be."""
        for name in ("suppliers", "customers", "products"):
            if getattr(self, name) < 1:
                raise ValueError(f"at least one of the {name} is needed")
        if self.movements < self.least_movements():
            raise ValueError(f"{self.products:,} products and {self.orders:,} orders make at least {self.least_movements():,} movements")

    @classmethod
    def of(cls, scale: float, **counts: int | None) -> Sizes:
        """At scale 1: 100,000 products, 1,000,000 orders, 3,000,000 movements. `counts` say otherwise for what they name."""
        scaled = {"suppliers": 1_000, "customers": 20_000, "products": 100_000, "orders": 1_000_000, "movements": 3_000_000}
        wanted = {name: max(1, round(number * scale)) for name, number in scaled.items()}
        return cls(**wanted | {name: number for name, number in counts.items() if number is not None})

    def least_movements(self) -> int:
        """Each product's opening, each order's goods out, and enough coming in that orders find something."""
        return self.products + self.orders + self.orders // 4
