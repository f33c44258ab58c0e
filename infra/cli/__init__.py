"""The `inventory` command: one module per group of commands, joined in `main`."""
