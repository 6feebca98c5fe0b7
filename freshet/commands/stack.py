"""`freshet up`, `freshet down`, `freshet status`: the local stack."""

import time
from dataclasses import asdict
from typing import Any

import typer
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from typing_extensions import Self

from freshet.console import JsonFlag, err, out, print_json, say
from freshet.settings import load_settings
from freshet.stack.stack import PartStatus, Stack

MIB = 1 << 20


def up(json: JsonFlag = False) -> None:
    """Start Kafka, the schema registry, Redis and a Flink cluster on this machine.

    Everything runs as you, on loopback, from one folder ([bold].freshet[/bold], or FRESHET_LOCAL__HOME), and goes on
    running when the command returns. The first start fetches about 240 MB into the local Maven repository. Parts that
    run already are left alone, so it is safe to repeat.

    Ports start at FRESHET_LOCAL__PORT_BASE (9480): a second checkout needs another base.
    """
    stack = Stack(load_settings())
    begun = time.monotonic()
    with Lines(quiet=json) as lines:
        stack.up(lines.report)
    parts = stack.status()
    if json:
        print_json([as_json(part) for part in parts])
    say(f"The stack is up after {time.monotonic() - begun:.0f} s and holds {total_mib(parts)} MiB.", quiet=json)
    say(f"Flink's page: {stack.settings.flink.rest_url}   Stop it all: freshet down", quiet=json)


def down(json: JsonFlag = False) -> None:
    """Stop what `freshet up` started. Topics, schemas, lists and checkpoints are kept.

    Jobs end with the cluster; their last checkpoint stays in [bold].freshet/flink/checkpoints[/bold]. To forget
    everything, remove the folder [bold].freshet[/bold] afterwards.
    """
    stack = Stack(load_settings())
    with Lines(quiet=json) as lines:
        stack.down(lines.report)
    if json:
        print_json([as_json(part) for part in stack.status()])
    say("The stack is down; its data stay.", quiet=json)


def status(json: JsonFlag = False) -> None:
    """Show each part of the local stack: its state, address, memory and log file.

    The exit code is 1 unless every part is running, so a script can ask with it.
    """
    parts = Stack(load_settings()).status()
    if json:
        print_json([as_json(part) for part in parts])
    else:
        out.print(table(parts), markup=False)
    if any(part.state != "running" for part in parts):
        say("Not everything runs; start it with: freshet up", quiet=json)
        raise typer.Exit(1)


class Lines:
    """A line for each part that tells what happens to it."""

    def __init__(self, *, quiet: bool) -> None:
        columns = SpinnerColumn(), TextColumn("{task.fields[part]:<12}"), TextColumn("{task.description}")
        self.progress = Progress(*columns, TimeElapsedColumn(), console=err, disable=quiet)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def report(self, part: str, words: str) -> None:
        """Change a part's line."""
        if part not in self.tasks:
            self.tasks[part] = self.progress.add_task(words, part=part, total=1)
        ended = words.startswith(("running", "down", "ready"))
        self.progress.update(self.tasks[part], description=words, completed=int(ended))


def table(parts: list[PartStatus]) -> str:
    """Return the lines that people read; nothing is cut, so that an address can be copied."""
    rows = [("part", "state", "pid", "MiB", "address", "log"), *(row(part) for part in parts)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows)
    return "\n".join(line.rstrip() for line in lines)


def row(part: PartStatus) -> tuple[str, ...]:
    """Return the cells of a part."""
    memory = str(part.memory_bytes // MIB) if part.processes else ""
    return part.name, part.state, str(part.pid or ""), memory, part.address, str(part.log)


def as_json(part: PartStatus) -> dict[str, Any]:
    """Return a part's status for machines."""
    return asdict(part) | {"log": str(part.log)}


def total_mib(parts: list[PartStatus]) -> int:
    """Return the memory of all parts."""
    return sum(part.memory_bytes for part in parts) // MIB
