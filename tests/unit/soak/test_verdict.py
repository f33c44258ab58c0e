"""What is called growth, and what is not."""

import math
import random

import pytest

from tests.soak.verdict import LEAST_GROWTH, MIB, least_leak, trend

SECONDS = 5


def life(held, samples=200):
    """An hour or so of a process; `held` says its MB by the share of its life."""
    return [(SECONDS * number, int(held(number / samples) * MIB)) for number in range(samples)]


def noise():
    chance = random.Random(1)
    return lambda: chance.uniform(-1, 1)


@pytest.mark.parametrize("per_life", [5, 10, 200])
def test_a_leak_is_found_under_noise_and_its_slope_told(per_life):
    breathing = noise()
    found = trend(life(lambda share: 80 + per_life * share + breathing()))
    assert found.grows
    assert found.per_hour / MIB == pytest.approx(per_life * 3600 / (200 * SECONDS), rel=0.4)
    assert found.last > found.first


def test_warming_up_is_no_leak():
    breathing = noise()
    assert not trend(life(lambda share: 80 - 40 * math.exp(-30 * share) + breathing())).grows


def test_a_step_a_plateau_and_a_wave_are_no_leaks():
    breathing = noise()
    assert not trend(life(lambda share: (80 if share < 0.5 else 120) + breathing())).grows
    assert not trend(life(lambda _: 80 + breathing())).grows
    assert not trend(life(lambda share: 80 + 10 * math.sin(40 * share))).grows


def test_what_shrinks_does_not_grow():
    found = trend(life(lambda share: 80 - 20 * share))
    assert not found.grows
    assert found.per_hour < 0


def test_little_is_not_much_and_it_is_said_how_little():
    samples = 200
    seconds = samples * SECONDS
    least = least_leak(seconds) * seconds / 3600 / MIB
    assert not trend(life(lambda share: 80 + 0.9 * least * share, samples)).grows
    assert trend(life(lambda share: 80 + 1.1 * least * share, samples)).grows
    assert least_leak(3600) < 2 * LEAST_GROWTH


def test_a_short_life_is_not_judged():
    assert trend(life(lambda share: 80 + share, samples=20)) is None


def test_what_is_loaded_once_in_the_middle_of_a_steady_life_is_no_leak():
    assert not trend(life(lambda share: 77.5 + 0.4 * share + (12 if share > 0.72 else 0))).grows
