"""Demo data: a plausible small company, for somebody who wants to look around."""
