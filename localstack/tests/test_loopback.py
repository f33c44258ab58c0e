from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from stack import LocalStack


def test_every_listening_socket_of_the_process_tree_is_on_the_loopback_interface(localstack: LocalStack):
    localstack.create_function("listening", "handler = lambda event, context: None")
    localstack.invoke("listening")
    root = psutil.Process(localstack.process.pid)
    tree = [root, *root.children(recursive=True)]
    listening = []
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that was on its way from one fork to the next
            listening += [each.laddr for each in process.net_connections() if each.status == "LISTEN"]
    assert {localstack.port, localstack.edge_port} <= {each.port for each in listening}
    assert {each.ip for each in listening} == {"127.0.0.1"}
