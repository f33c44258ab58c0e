"""`inventory seed`: something to look at."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from infra.api_client import Account, ApiClient, GaveUpError, RefusedError
from infra.cli.context import CommandFailed, errors, output, running_stack_of
from infra.cli.progress import PhaseBars
from infra.seed import demo

_DEFAULT = demo.Wanted()


def seed(
    context: typer.Context,
    products: Annotated[int, typer.Option(min=0, help="How many products, each with opening stock.")] = _DEFAULT.products,
    customers: Annotated[int, typer.Option(min=0, help="How many customers.")] = _DEFAULT.customers,
    suppliers: Annotated[int, typer.Option(min=1, help="How many suppliers.")] = _DEFAULT.suppliers,
    orders: Annotated[int, typer.Option(min=0, help="How many orders.")] = _DEFAULT.orders,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="How many requests at a time.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print how many were made as JSON, for scripts.")] = False,
) -> None:
    """Fill the system with demo data, through the API. What is there already is not made twice."""
    stack = running_stack_of(context)
    wanted = demo.Wanted(suppliers=suppliers, customers=customers, products=products, orders=orders)
    try:
        with (
            ApiClient(stack.gateway_url, Account(stack.run_dir, stack.gateway_url), connections=concurrency) as client,
            PhaseBars(errors) as bars,
        ):
            made = demo.seed(client, wanted, bars, concurrency)
    except (RefusedError, GaveUpError) as error:
        raise CommandFailed(str(error)) from error
    if as_json:
        output.print_json(json.dumps(made))
    else:
        output.print("Made " + ", ".join(f"{number} {name}" for name, number in made.items()) + ".")
