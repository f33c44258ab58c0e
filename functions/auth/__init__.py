"""Users: who may use the system."""
