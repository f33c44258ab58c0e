"""The bridge, with consumer processes that call their function in process."""

import os
import sys

from infra.bridge.settings import get_bridge_settings
from infra.bridge.supervisor import Supervisor
from tests.integration.bridge.consumer_process import run

if __name__ == "__main__":
    sys.exit(Supervisor(get_bridge_settings(), os.environ["TEST_CONSUMERS"].split(","), run).run())
