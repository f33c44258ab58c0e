"""One running instance of the system: its ports, its directory, its servers and the supervisor that keeps them."""

from infra.stack.instance import Stack
from infra.stack.ports import PortBusy, Ports

__all__ = ["PortBusy", "Ports", "Stack"]
