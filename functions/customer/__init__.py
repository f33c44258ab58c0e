"""Customers: whom the company sells to."""
