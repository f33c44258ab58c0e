"""`python -m infra.bridge`: the bridge, until SIGTERM. SIGHUP starts again the consumers it has given up."""

import sys

from common.config import get_settings
from common.observability import logger
from infra.bridge.lambda_function import lambda_client
from infra.bridge.settings import get_bridge_settings
from infra.bridge.supervisor import Supervisor


def main() -> int:
    """Run the bridge with the settings of the environment. Returns the process's exit code."""
    get_settings()
    logger.append_keys(process="bridge")
    settings = get_bridge_settings()
    lambda_client(settings.invoke_seconds)
    return Supervisor(settings).run()


if __name__ == "__main__":
    sys.exit(main())
