"""Procurements: stock that the company bought."""
