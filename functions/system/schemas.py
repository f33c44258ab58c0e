"""What is told about the system as a whole."""

from typing import Literal

from common.fields import Shape
from common.health import ConsumerHealth, ServiceHealth


class SystemHealth(Shape):
    """The health of every service and consumer; `degraded` when something limps, `down` when a service cannot work."""

    status: Literal["ok", "degraded", "down"]
    services: dict[str, ServiceHealth]
    consumers: dict[str, ConsumerHealth]
