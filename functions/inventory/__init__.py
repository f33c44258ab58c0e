"""Inventory: how much there is of each product, and the only writer of it."""
