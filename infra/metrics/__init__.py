"""Metrics, as whoever watches the system reads them."""
