"""`python -m infra.bridge`: the bridge, until SIGTERM. SIGHUP starts again the consumers it has given up."""

from common.config import get_settings
from common.observability import logger
from infra.bridge.settings import get_bridge_settings
from infra.bridge.supervisor import Supervisor


def main() -> None:
    """Run the bridge with the settings of the environment."""
    get_settings()
    logger.append_keys(process="bridge")
    Supervisor(get_bridge_settings()).run()


if __name__ == "__main__":
    main()
