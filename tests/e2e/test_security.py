"""The short form of `make security`: the same attacks, a part of each. That they can find something: tests/unit/security."""

from __future__ import annotations

import pytest

from tests.security import api_document, authentication, headers, injection, isolation, leaks
from tests.security.target import Target

# Its attackers come from many addresses of this machine, and it searches the files of the system for secrets.
pytestmark = [pytest.mark.supervised, pytest.mark.timeout(900)]

# Others sign in from the same address, and are users of the same system.
OTHERS = ("/api/auth/login", "/api/auth/users/{user_id}")
# By name: the attack, and how many cases it has at least. What looks for secrets comes behind all that uses any.
ATTACKS = {
    "document": (lambda target: api_document.attack(target, 200, 1, seconds=600, phases=("fuzzing", "stateful"), without=OTHERS), 200),
    "injection": (lambda target: injection.attack(target, thorough=False), 1000),
    "authentication": (lambda target: authentication.attack(target, thorough=False), 150),
    "headers": (headers.attack, 20),
    "isolation": (lambda target: isolation.attack(target, thorough=False), 400),
    "leaks": (leaks.attack, 50),
}


@pytest.fixture(scope="module")
def target(system) -> Target:
    return Target(system)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_succeeds(target: Target, name: str):
    attack, least = ATTACKS[name]
    part = attack(target)
    assert part.findings == []
    assert part.tried.total() >= least
