import os

import pytest

from infra.bridge.heartbeat import HeartbeatReceiver, HeartbeatSender


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    return HeartbeatReceiver(reading), HeartbeatSender(writing), writing


def test_messages_arrive_and_the_end_is_noticed(pipe):
    receiver, sender, writing = pipe
    assert receiver.receive() == ([], False)
    sender.send({"delivered": 1})
    sender.send({"delivered": 2})
    assert receiver.receive() == ([{"delivered": 1}, {"delivered": 2}], False)
    os.close(writing)
    assert receiver.receive() == ([], True)
    receiver.close()


def test_sender_notices_that_the_supervisor_is_gone(pipe):
    receiver, sender, writing = pipe
    receiver.close()
    assert sender.send({}) is False
    os.close(writing)


def test_sender_does_not_wait_for_a_supervisor_that_reads_nothing(pipe):
    receiver, sender, writing = pipe
    assert all(sender.send({"x": "y" * 1000}) for _ in range(1000))
    receiver.close()
    os.close(writing)
