"""`python -m infra.bridge`: the bridge, until SIGTERM. SIGHUP starts again the consumers it has given up."""

from common.config import get_settings
from common.observability import logger
from common.topology import CONSUMERS
from infra.bridge.child import LIVE_EVENTS, child_command
from infra.bridge.settings import get_bridge_settings
from infra.bridge.supervisor import Supervisor


def main() -> None:
    """Run the bridge with the settings of the environment."""
    get_settings()
    logger.append_keys(process="bridge")
    settings = get_bridge_settings()
    children = (*CONSUMERS, LIVE_EVENTS) if settings.live_events else CONSUMERS
    Supervisor(settings, child_command, children).run()


if __name__ == "__main__":
    main()
