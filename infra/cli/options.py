"""What commands are written with alike: groups, flags, and the one flag that most have."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def group(help_text: str, *, needs_command: bool = True) -> typer.Typer:
    """A group of commands; without one of them it shows its help, unless it is something by itself."""
    # Markdown: paragraphs of a docstring are filled to the terminal's width, rather than broken where the code's lines are.
    return typer.Typer(help=help_text, no_args_is_help=needs_command, rich_markup_mode="markdown", add_completion=False)


def flag(*names: str, help: str) -> Any:  # noqa: A002  # typer's name
    """An option that is there or not, shown without a type."""
    return typer.Option(*names, help=help, metavar="")


AsJson = Annotated[bool, flag("--json", help="Print it as JSON, for scripts.")]
