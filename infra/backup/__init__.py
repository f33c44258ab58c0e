"""Backups: the whole database as of one moment in one file, and a system made of such a file."""
