"""Products: what the company buys and sells."""
