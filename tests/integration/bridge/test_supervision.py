"""Processes that die, hang, crash again and again, and bridges that meet."""

import json
import os
import signal

import httpx
import psutil

from tests.integration.bridge.waiting import until

STOCK_IN = "procurement_stock_in"


def test_killed_consumer_is_back_and_its_events_are_applied(bridge, outbox):
    killed = bridge.consumer("inventory")["pid"]
    os.kill(killed, signal.SIGKILL)
    event_id = outbox.add(STOCK_IN)
    until(lambda: outbox.effects() == [event_id])
    until(lambda: bridge.consumer("inventory")["state"] == "running")
    state = bridge.consumer("inventory")
    assert (state["restarts"], state["reason"]) == (1, "killed by SIGKILL")
    assert state["pid"] != killed


def test_hanging_consumer_is_noticed_and_replaced(bridge, outbox):
    hanging = bridge.consumer("inventory")["pid"]
    os.kill(hanging, signal.SIGSTOP)
    event_id = outbox.add(STOCK_IN)
    until(lambda: bridge.consumer("inventory")["pid"] != hanging)
    until(lambda: outbox.effects() == [event_id])
    assert "no heartbeat" in bridge.consumer("inventory")["reason"]


def test_consumer_that_always_crashes_is_given_up_while_the_others_go_on(new_bridge, outbox, crash_points, redis_server):
    (crash_points / "product.at_start").touch()
    bridge = new_bridge().start("inventory", "product", restart_delays="[0.1, 0.2, 0.4]")
    until(lambda: bridge.consumer("product").get("state") == "given_up")
    assert bridge.consumer("product")["restarts"] == 3
    assert "exited with code 86" in bridge.consumer("product")["reason"]
    assert json.loads(redis_server.client.hget("bridge:consumers", "product"))["state"] == "given_up"
    assert "consumer_given_up" in bridge.log()
    event_id = outbox.add(STOCK_IN)
    until(lambda: outbox.effects() == [event_id])

    missed = outbox.add("supplier_events", event_type="supplier_created")
    (crash_points / "product.at_start").unlink()
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: outbox.effects("product") == [missed])


def test_process_that_dies_between_effect_and_mark_doubles_nothing(bridge, outbox, crash_points):
    (crash_points / "inventory.after_invoke_before_mark").write_text("once")
    events = outbox.add_many(STOCK_IN, [{}] * 10)
    until(lambda: outbox.undelivered() == 0)
    assert sorted(outbox.effects()) == sorted(events)
    until(lambda: bridge.consumer("inventory")["restarts"] == 1)


def test_process_that_dies_between_reading_and_invoking_loses_nothing(bridge, outbox, crash_points):
    (crash_points / "inventory.after_read_before_invoke").write_text("once")
    events = outbox.add_many(STOCK_IN, [{}] * 10)
    until(lambda: outbox.undelivered() == 0)
    assert sorted(outbox.effects()) == sorted(events)


def test_sigterm_finishes_the_batch_in_hand_and_begins_no_other(new_bridge, outbox):
    bridge = new_bridge().start("inventory", batch_events="2").wait_until_running()
    events = outbox.add_many(STOCK_IN, [{"misbehave": "slow"}] * 50)
    until(lambda: outbox.begun() > 0, what="a batch in hand")
    assert bridge.stop() == 0
    assert outbox.effects()[:2] == events[:2]
    assert len(events) - len(outbox.effects()) == outbox.undelivered()
    assert outbox.undelivered() > 0
    assert {state["state"] for state in bridge.states().values()} == {"stopped"}


def test_consumers_do_not_outlive_a_killed_bridge_and_the_next_one_takes_over(bridge, new_bridge, outbox):
    pids = [bridge.consumer(name)["pid"] for name in bridge.consumers]
    bridge.process.kill()
    bridge.process.wait()
    until(lambda: not any(_is_running(pid) for pid in pids))
    event_id = outbox.add(STOCK_IN)
    new_bridge("next").start("inventory")
    until(lambda: outbox.effects() == [event_id])


def test_of_two_bridges_one_delivers_and_the_other_takes_over_when_it_dies_amid_events(bridge, new_bridge, outbox):
    second = new_bridge("second").start("inventory")
    until(lambda: second.role() == "standby")
    assert "inventory" not in second.states()
    before = outbox.add_many(STOCK_IN, [{}] * 200)
    until(lambda: outbox.begun() > 0, what="an event under way")
    bridge.process.kill()
    bridge.process.wait()
    after = outbox.add_many(STOCK_IN, [{}] * 200)
    second.wait_until_running()
    assert second.role() == "active"
    until(lambda: outbox.undelivered() == 0)
    assert sorted(outbox.effects()) == sorted(before + after)


def test_bridge_that_stands_still_loses_its_lease_and_finds_that_out_when_it_goes_on(new_bridge, outbox):
    """As when its machine vanishes: its connections stay open, and nothing more comes of them."""
    first = new_bridge("first").start("inventory", lease_seconds="6").wait_until_running()
    second = new_bridge("second").start("inventory", lease_seconds="6")
    until(lambda: second.role() == "standby")
    frozen = [first.process.pid, *(child.pid for child in psutil.Process(first.process.pid).children(recursive=True))]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        missed = outbox.add_many(STOCK_IN, [{}] * 20)
        until(lambda: outbox.undelivered() == 0)
        assert second.role() == "active"
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    until(lambda: first.role() == "standby")
    assert second.role() == "active"
    later = outbox.add_many(STOCK_IN, [{}] * 20)
    until(lambda: outbox.undelivered() == 0)
    assert sorted(outbox.effects()) == sorted(missed + later)


def test_live_events_are_told_by_the_standby_bridge_too_which_says_what_it_is(bridge, new_bridge, stack):
    port = stack.ports.live_events
    live = {"LIVE_PORT": str(port), "LIVE_GATEWAY_URL": "http://127.0.0.1:1"}
    new_bridge("second", **live).start("inventory", live_events="true")

    def health():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health").json()
        except httpx.HTTPError:
            return None

    until(lambda: health() == {"clients": 0, "bridge": "standby"})
    bridge.process.kill()
    bridge.process.wait()
    until(lambda: health() == {"clients": 0, "bridge": "active"})


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
