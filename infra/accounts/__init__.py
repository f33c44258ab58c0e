"""The database's accounts: each service has its own, with rights on its own tables and no others."""
