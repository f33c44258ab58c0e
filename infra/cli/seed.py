"""`inventory seed`: something to look at, or, with `--scale`, much of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from redis import Redis

from common.cache import lists_key
from common.redis_client import redis_address
from infra.api_client import Account, ApiClient, GaveUpError, RefusedError
from infra.cli.context import CommandFailed, drawing, output, running_stack_of
from infra.cli.database import settings_of
from infra.cli.options import flag
from infra.cli.progress import PhaseBars
from infra.seed import demo, scale
from infra.seed.sizes import Sizes

if TYPE_CHECKING:
    from common.config import Settings

_DEFAULT = demo.Wanted()
_LISTED = ("supplier", "customer", "product", "procurement", "order")


def seed(
    context: typer.Context,
    products: Annotated[
        int | None, typer.Option(min=0, help=f"How many products, each with opening stock. [default: {_DEFAULT.products}]")
    ] = None,
    customers: Annotated[int | None, typer.Option(min=0, help=f"How many customers. [default: {_DEFAULT.customers}]")] = None,
    suppliers: Annotated[int | None, typer.Option(min=1, help=f"How many suppliers. [default: {_DEFAULT.suppliers}]")] = None,
    orders: Annotated[int | None, typer.Option(min=0, help=f"How many orders. [default: {_DEFAULT.orders}]")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="How many requests at a time.")] = 8,
    scaled: Annotated[
        float | None,
        typer.Option(
            "--scale",
            min=0,
            help="Write a company's whole history straight into the database: at 1, 100,000 products, 1,000,000 orders and"
            " 3,000,000 movements. The counts above then say otherwise for what they name.",
        ),
    ] = None,
    movements: Annotated[int | None, typer.Option(min=1, help="With --scale: how many movements of stock.")] = None,
    days: Annotated[int, typer.Option(min=1, help="With --scale: how long a history.")] = 730,
    until: Annotated[datetime | None, typer.Option(help="With --scale: when it ends, in UTC. [default: now]")] = None,
    random_seed: Annotated[int, typer.Option(help="With --scale: the same number, counts and end make the same history.")] = 1,
    add: Annotated[bool, flag("--add", help="With --scale: add to what is there, rather than refuse.")] = False,
    as_json: Annotated[bool, flag("--json", help="Print how many were made as JSON, for scripts.")] = False,
) -> None:
    """Fill the system with demo data.

    A small company is made through the API, and what of it is there already is not made twice. With --scale a large one is
    written into the database, whose checks all hold; `inventory reconcile` finds nothing wrong with it.
    """
    counts = {"suppliers": suppliers, "customers": customers, "products": products, "orders": orders}
    if scaled is None:
        made = _through_the_api(context, {name: count for name, count in counts.items() if count is not None}, concurrency)
    else:
        try:
            sizes = Sizes.of(scaled, **counts, movements=movements)
        except ValueError as error:
            raise CommandFailed(str(error)) from error
        end = (until or datetime.now(UTC)).replace(tzinfo=UTC)
        made = _into_the_database(context, sizes, random_seed, end, days, add=add)
    if as_json:
        output.print_json(json.dumps(made))
    else:
        output.print("Made " + ", ".join(f"{number:,} {name}" for name, number in made.items()) + ".")


def _through_the_api(context: typer.Context, counts: dict[str, int], concurrency: int) -> dict[str, int]:
    stack = running_stack_of(context)
    try:
        with (
            ApiClient(stack.gateway_url, Account(stack.run_dir, stack.gateway_url), connections=concurrency) as client,
            PhaseBars(drawing) as bars,
        ):
            return demo.seed(client, demo.Wanted(**counts), bars, concurrency)
    except (RefusedError, GaveUpError) as error:
        raise CommandFailed(str(error)) from error


def _into_the_database(context: typer.Context, sizes: Sizes, random_seed: int, until: datetime, days: int, *, add: bool) -> dict[str, int]:
    running_stack_of(context)
    settings = settings_of(context)
    try:
        with PhaseBars(drawing) as bars:
            made = scale.fill(settings, sizes, seed=random_seed, until=until, days=days, progress=bars, add=add)
    except scale.NotEmptyError as error:
        raise CommandFailed(f"{error}. A history is written into an empty database; `--add` adds one to what is there.") from error
    finally:
        _void_lists(settings)
    return made


def _void_lists(settings: Settings) -> None:
    """What the services keep of their lists says nothing of rows that did not come by them."""
    with Redis(**redis_address(settings)) as client:
        client.delete(*map(lists_key, _LISTED))
