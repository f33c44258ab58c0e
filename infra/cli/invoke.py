"""`inventory invoke`: run a deployed function once, with an event from a file."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads annotations when it runs
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError
from rich.json import JSON

from infra.cli.context import CommandFailed, errors, output, running_stack_of
from infra.cli.options import flag
from infra.deploy.deployment import STACK_NAME, client_of


def invoke(
    context: typer.Context,
    function: Annotated[str, typer.Argument(help="Its name (product, order-consumer, authorizer), or its logical id in template.yaml.")],
    event: Annotated[Path, typer.Option(help="File with the event as JSON; - reads it from standard input.")],
    as_json: Annotated[bool, flag("--json", help="Print answer, error and log as one JSON object, for scripts.")] = False,
) -> None:
    """Invoke a deployed function and show its answer and log. Exit code 1 when the function failed."""
    stack = running_stack_of(context)
    payload = _event(event)
    name = function_name(stack, function)
    answered = client_of(stack, "lambda").invoke(FunctionName=name, Payload=payload, LogType="Tail")
    body = answered["Payload"].read().decode()
    error = answered.get("FunctionError")
    log = base64.b64decode(answered.get("LogResult", "")).decode(errors="replace")
    if as_json:
        result = {"function": name, "status": answered["StatusCode"], "error": error, "answer": _parsed(body), "log": log.splitlines()}
        output.print_json(json.dumps(result))
    else:
        errors.print(log.rstrip() or "(no log)", style="dim", markup=False)
        if error:
            errors.print(f"The function failed ({error}):", style="red")
        output.print(JSON(body) if _is_json(body) else body)
    if error:
        raise typer.Exit(1)


def _event(path: Path) -> bytes:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"Cannot read the event: {error}") from error
    try:
        json.loads(text)
    except ValueError as error:
        raise CommandFailed(f"{path} is not JSON: {error}") from error
    return text.encode()


def function_name(stack: Any, wanted: str) -> str:
    """The deployed name of a function given by its name, with or without the stack's in front, or by its logical id."""
    try:
        resources = client_of(stack, "cloudformation").describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    except ClientError as error:
        raise CommandFailed("Nothing is deployed. Deploy with: make up") from error
    functions = [each for each in resources if each["ResourceType"] == "AWS::Lambda::Function"]
    for function in functions:
        name = str(function["PhysicalResourceId"])
        if wanted in {name, name.removeprefix(f"{STACK_NAME}-"), function["LogicalResourceId"]}:
            return name
    there_are = sorted(str(function["PhysicalResourceId"]).removeprefix(f"{STACK_NAME}-") for function in functions)
    raise CommandFailed(f"There is no function {wanted}. There are: {', '.join(there_are)}")


def _parsed(body: str) -> Any:
    return json.loads(body) if _is_json(body) else body


def _is_json(body: str) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
