"""What the project is locked to: where, how old, and under which licence; what could not be asked is told, and never taken for current."""
