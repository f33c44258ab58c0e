"""Known vulnerabilities of what the project is locked to; what could not be asked about is told, and never taken for sound."""
