"""Orders: stock that customers buy."""
