"""The bridge, with consumer processes that call their function in process."""

import os
import sys
from pathlib import Path

from infra.bridge.settings import get_bridge_settings
from infra.bridge.supervisor import Supervisor

if __name__ == "__main__":
    script = str(Path(__file__).with_name("consumer_process.py"))
    consumers = os.environ["TEST_CONSUMERS"].split(",")
    Supervisor(get_bridge_settings(), lambda consumer: [sys.executable, script, consumer], consumers).run()
