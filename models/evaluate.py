"""Measures the recommender on any file of events: `python -m freshet.models.evaluate FILE.csv`.

Two protocols of `prequential.py`: each event is predicted before it is learnt, and the last item of each of the latest
sessions is predicted from those before it. Everything runs through `Recommender` as it is, with its defaults.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from freshet.console import JsonFlag, err, out, print_json, say
from freshet.errors import FreshetError
from freshet.models.event_files import EventFile, read_events
from freshet.models.prequential import Log, Metrics, Report, held_out, metrics, prequential
from freshet.models.recommender import Recommender, Setup
from freshet.models.user_state import Ints

CUTS = (10, 20)
PREDICTIONS = 20_000
PLACES = 6_000_000
"""Members that all rows of one kind keep together at most, so that memory does not grow with the items."""

COMES_BACK = 0.05
"""Part of the warm-up's events from which on lists show items again that the user has had."""

File = Annotated[
    Path, typer.Argument(help="CSV with a header: user or session, item, time; other columns are ignored.")
]
WarmUp = Annotated[
    int | None, typer.Option(min=0, help="Events that are learnt before the first is predicted; a fifth if not given.")
]
Predictions = Annotated[
    int, typer.Option(min=1, help="About so many events, and so many sessions, are predicted, evenly over the stream.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of the order of events of one user in one second.")]
Repeats = Annotated[
    bool | None,
    typer.Option(
        "--repeats/--no-repeats", help="Whether lists show what the user has had; by the warm-up if not given."
    ),
]


class Plan(NamedTuple):
    """How a file is walked; see the options of the command."""

    warm_up: int
    predictions: int
    seed: int
    repeats: bool


class Measured(NamedTuple):
    """Figures of one protocol, at both cuts."""

    protocol: str
    at: tuple[Metrics, ...]
    coverage: float | None = None


def evaluate(
    file: File,
    warm_up: WarmUp = None,
    predictions: Predictions = PREDICTIONS,
    seed: Seed = 0,
    repeats: Repeats = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure the recommender on a file of events: HR, NDCG and MRR at 10 and 20, all items ranked."""
    read, begun = read_events(file), time.monotonic()
    warm_up = len(read.by_user) // 5 if warm_up is None else warm_up
    if warm_up >= len(read.by_user):
        raise FreshetError(f"{file} has {len(read.by_user):,} events; give a --warm-up below that.")
    if repeats is None:
        repeats = share_of_repeats(read.by_user, warm_up) >= COMES_BACK
    plan = Plan(warm_up, predictions, seed, repeats)
    rows, weights = measured(read, plan, quiet=as_json)
    told = {**described(read), **plan._asdict(), "weights": weights, "seconds": round(time.monotonic() - begun, 1)}
    if as_json:
        print_json({"file": str(file), **told, "rows": [as_mapping(one) for one in rows]})
    else:
        show(told, rows)


def measured(read: EventFile, plan: Plan, *, quiet: bool) -> tuple[list[Measured], dict[str, float]]:
    """Return the figures of both protocols, and what the sources count for at the end of the first."""
    usual = Setup().keep
    keep = min(usual, max(usual // 8, PLACES // len(read.by_user.item_names)))
    setup = Setup(repeats=plan.repeats, keep=keep)
    recommender = Recommender(setup)
    with progress("predict, then learn", quiet=quiet) as report:
        walked = prequential(
            recommender,
            read.by_user,
            warm_up=plan.warm_up,
            seed=plan.seed,
            repeats=plan.repeats,
            predictions=plan.predictions,
            report=report,
        )
    with progress("last of a session", quiet=quiet) as report:
        last = held_out(
            Recommender(setup),
            read.by_session,
            repeats=plan.repeats,
            predictions=plan.predictions,
            report=report,
        )
    rows = [
        Measured("next, of known users", cuts(walked.warm), walked.coverage),
        Measured("next, of new users", cuts(walked.cold)),
        Measured("last of a session", cuts(last.ranks), last.coverage),
    ]
    return rows, recommender.weights


def share_of_repeats(log: Log, warm_up: int) -> float:
    """Return which part of the first events are of an item that the user had had before."""
    first = np.argsort(log.times, kind="stable")[:warm_up]
    pairs = np.stack((log.users[first], log.items[first]), axis=1)
    return 1.0 - len(np.unique(pairs, axis=0)) / max(len(pairs), 1)


def cuts(ranks: Ints) -> tuple[Metrics, ...]:
    """Return the figures at 10 and 20."""
    return tuple(metrics(ranks, k) for k in CUTS)


def described(read: EventFile) -> dict[str, Any]:
    """Return how large a file is, and what was read of it."""
    log = read.by_user
    counts = {"events": len(log), "users": len(log.user_names), "sessions": len(read.by_session.user_names)}
    return {**counts, "items": len(log.item_names), "columns": dict(read.columns), "left_out": read.left_out}


def as_mapping(row: Measured) -> dict[str, Any]:
    """Return a row for machines."""
    figures = {f"{name}_at_{one.k}": getattr(one, name) for one in row.at for name in ("hr", "ndcg", "mrr")}
    return {"protocol": row.protocol, "predictions": row.at[0].predictions, **figures, "coverage_at_10": row.coverage}


def show(told: dict[str, Any], rows: list[Measured]) -> None:
    """Print for people."""
    columns = ", ".join(f"{name} from {column!r}" for name, column in told["columns"].items())
    say(f"{told['events']:,} events of {told['users']:,} users and {told['items']:,} items; {columns}.")
    if told["left_out"]:
        say(f"{told['left_out']:,} lines lack one of these and are left out.")
    again = "show" if told["repeats"] else "do not show"
    say(
        f"The first {told['warm_up']:,} are only learnt; of what follows about {told['predictions']:,} are predicted, evenly; "
        f"lists {again} what the user has had."
    )
    table = Table("predicted", "times", "k", "HR@k", "NDCG@k", "MRR@k", "coverage")
    for row in rows:
        for one in row.at:
            figures = [f"{value:.4f}" for value in (one.hr, one.ndcg, one.mrr)]
            covered = f"{row.coverage:.1%}" if row.coverage is not None and one.k == CUTS[0] else ""
            table.add_row(row.protocol, f"{one.predictions:,}", str(one.k), *figures, covered)
    out.print(table)
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in told["weights"].items() if weight)
    say(f"Weights of the sources in the end: {weights}. {told['seconds']:.0f} s.")


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Report]:
    """Show how far the events are."""
    columns = (TextColumn(f"{what:22}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=quiet) as bar:
        task = bar.add_task(what)
        yield lambda done, of: bar.update(task, completed=done, total=of)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(evaluate)


def main() -> None:
    """Run the command; what the user can mend is told in one sentence."""
    try:
        app()
    except FreshetError as error:
        err.print(str(error), markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
