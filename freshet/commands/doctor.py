"""`freshet doctor`: look at everything and say what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from freshet.console import JsonFlag, err, out, print_json
from freshet.errors import FreshetError
from freshet.settings import load_settings

if TYPE_CHECKING:
    from freshet.doctor.examination import Examination

STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(as_json: JsonFlag = False) -> None:
    """Look at every part and say in a line each whether it works, and if not what to do.

    Settings, broker, schema registry, Redis, Flink and its jobs, the archive, the pseudonym key, the model, and how large
    the state of each view is. The exit code is 1 when something does not work; a warning alone does not change it.
    """
    from freshet.commands.schemas import quieten_the_kafka_client

    quieten_the_kafka_client()
    with err.status("looking ...") if not as_json else err.capture():
        examination = look()
    if as_json:
        print_json(asdict(examination))
    else:
        tell(examination)
    if examination.count("problem"):
        raise typer.Exit(1)


def look() -> "Examination":
    """Examine the system that the settings name; settings that cannot be read are the only finding then."""
    from freshet.doctor.examination import Examination, examine
    from freshet.doctor.finding import problem

    try:
        settings = load_settings()
    except FreshetError as error:
        return Examination([problem("settings", str(error))])
    return examine(settings)


def tell(examination: "Examination") -> None:
    """Print the findings, the sizes of state, and how many findings need somebody."""
    for one in examination.findings:
        out.print(f"{one.level:8}", style=STYLES[one.level], end="")
        out.print(f"{one.subject:12}{one.text}", markup=False)
    for lines in (list(views(examination)), list(tasks(examination))):
        if lines:
            out.print("\n" + "\n".join(lines), markup=False)
    problems, warnings = examination.count("problem"), examination.count("warning")
    out.print(f"\n{problems} problem(s), {warnings} warning(s), {examination.count('ok')} as they should be.")


def views(examination: "Examination") -> Iterator[str]:
    """Yield the lines of the table of views."""
    from freshet.doctor.finding import size

    rows = [
        (
            one.view,
            f"{one.entities:,}",
            f"{one.touched:,}",
            size(one.state_bytes) if one.state_bytes is not None else "?",
            size(one.state_bytes * one.entities) if one.state_bytes is not None else "?",
            size(one.stored_bytes) if one.stored_bytes is not None else "?",
        )
        for one in examination.views
    ]
    if rows:
        yield from columns([("view", "entities", "touched", "state of one", "of all", "in Redis, of one"), *rows])


def tasks(examination: "Examination") -> Iterator[str]:
    """Yield the lines of the table of tasks."""
    from freshet.doctor.finding import size

    rows = [(name[:90], size(count)) for name, count in examination.tasks.items()]
    if rows:
        yield from columns([("task of features", "in the last checkpoint"), *rows])


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *cells])
