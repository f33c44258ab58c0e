"""`python -m infra.deploy --run-dir DIR`: deploy to the instance that runs in DIR. One line per step, the last one says how it ended."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pymysql
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.cloudformation import DeploymentFailed
from infra.deploy.deployment import deploy
from infra.deploy.packaging import SourceMissing
from infra.stack import Stack


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run-dir", type=Path, required=True)
    stack = Stack.of(parser.parse_args().run_dir)
    if stack is None:
        print("Nothing has ever run there.", file=sys.stderr)  # noqa: T201 - a command
        return 1
    try:
        deploy(stack, lambda line: print(line, flush=True))  # noqa: T201 - a command
    except (DeploymentFailed, SourceMissing, ClientError, BotoCoreError, pymysql.Error, FileNotFoundError) as error:
        print(f"{error}", flush=True)  # noqa: T201 - a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
