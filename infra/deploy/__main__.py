"""`python -m infra.deploy --run-dir DIR --ports JSON`: deploy to that instance. One line per step, the last one says how it ended."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pymysql
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.cloudformation import DeploymentFailed
from infra.deploy.deployment import deploy
from infra.deploy.packaging import SourceMissing
from infra.stack import Ports, Stack


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--ports", type=json.loads, required=True)
    arguments = parser.parse_args()
    stack = Stack(arguments.run_dir, Ports.from_mapping(arguments.ports))
    try:
        deploy(stack, lambda line: print(line, flush=True))  # noqa: T201 - a command
    except (DeploymentFailed, SourceMissing, ClientError, BotoCoreError, pymysql.Error, FileNotFoundError) as error:
        print(f"{error}", flush=True)  # noqa: T201 - a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
