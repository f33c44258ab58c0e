import pytest

from infra.bridge.restart_policy import RestartPolicy
from infra.bridge.settings import BridgeSettings


@pytest.fixture
def policy():
    policy = RestartPolicy(BridgeSettings())
    policy.started()
    policy.heard_of(0)
    return policy


def _die_and_wait(policy, now):
    """How long the policy waits after a death at `now`."""
    policy.died(now, "killed")
    wait = policy.start_at - now
    assert not policy.is_due(now + wait - 0.001)
    assert policy.is_due(now + wait)
    policy.started()
    policy.heard_of(now + wait)
    return wait


def test_restarts_come_after_one_two_and_four_seconds(policy):
    assert [_die_and_wait(policy, now) for now in (10, 20, 30)] == [1, 2, 4]
    assert (policy.state, policy.restarts) == ("running", 3)


def test_it_is_given_up_when_it_dies_after_the_third_restart(policy):
    for now in (10, 20, 30):
        _die_and_wait(policy, now)
    policy.died(40, "exited with code 1")
    assert (policy.state, policy.restarts, policy.reason) == ("given_up", 3, "exited with code 1")
    assert not policy.is_due(1e9)


def test_it_is_given_up_when_it_never_says_a_word(policy):
    for now in (10, 20, 30):
        policy.died(now, "crash")
        policy.started()
    policy.died(40, "crash")
    assert policy.state == "given_up"


def test_stable_minute_starts_the_count_anew(policy):
    for now in (10, 20, 30):
        _die_and_wait(policy, now)
    policy.heard_of(34 + 60)
    assert _die_and_wait(policy, 95) == 1


def test_minute_that_was_not_stable_does_not(policy):
    assert _die_and_wait(policy, 10) == 1
    assert _die_and_wait(policy, 69) == 2


def test_given_up_consumer_can_be_revived(policy):
    for now in (10, 20, 30):
        _die_and_wait(policy, now)
    policy.died(40, "crash")
    policy.revive()
    assert policy.is_due(40)
    policy.started()
    policy.heard_of(41)
    assert policy.state == "running"
    assert _die_and_wait(policy, 42) == 1
