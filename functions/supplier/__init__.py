"""Suppliers: whom the company buys from."""
