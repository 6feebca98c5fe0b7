"""What a command prints: plain words for people, one JSON value for machines."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of words.")]


def print_json(value: Any) -> None:
    """Print one JSON value on a line of its own."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")


def say(text: str, *, quiet: bool = False) -> None:
    """Print a line for people, unless a machine is listening."""
    if not quiet:
        out.print(text)
