"""Lambda execution environments as operating system processes behind one pool.

Knows the Lambda Runtime API and nothing of who calls it: neither an emulator of AWS nor an HTTP gateway is imported here.
"""

from lambda_environments.model import Debugger, FunctionSpec, Invocation, InvocationResult, LogBatch, LogEvent, PoolSaturatedError
from lambda_environments.pool import EnvironmentPool, PoolLimits
from lambda_environments.thread import PoolThread

__all__ = [
    "Debugger",
    "EnvironmentPool",
    "FunctionSpec",
    "Invocation",
    "InvocationResult",
    "LogBatch",
    "LogEvent",
    "PoolLimits",
    "PoolSaturatedError",
    "PoolThread",
]
