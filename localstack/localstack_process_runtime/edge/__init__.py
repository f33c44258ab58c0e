"""The deployed API at the root of an address of its own, by a data plane of its own: see docs/adr/0016 and `plane.py`.

LocalStack stays the control plane. What it deploys is compiled into tables; requests that end at a Lambda function, and what the
gateway itself answers, never leave the event loop that the functions' environments live on.
"""

from localstack_process_runtime.edge.serving import counting, start, stop

__all__ = ["counting", "start", "stop"]
