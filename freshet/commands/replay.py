"""`freshet replay`: send a year of real purchases, or synthetic browsing over the same shop, to Kafka."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from freshet.console import JsonFlag, err, print_json, say
from freshet.errors import FreshetError
from freshet.replay import journey
from freshet.replay.pace import Pace, milliseconds, shift_to
from freshet.replay.produce import EventProducer
from freshet.replay.sessions import Sessions, next_midnight
from freshet.replay.tastes import Tastes, estimate
from freshet.schemas.avro import Record
from freshet.schemas.topics import CATALOG, INTERACTIONS
from freshet.settings import load_settings

CATALOG_SIZE = 92_331
DATE_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]

Speed = Annotated[float | None, typer.Option(min=0.001, help="1 is real time, 1000 a thousand times faster.")]
Rate = Annotated[float | None, typer.Option(min=0.001, help="Events a second.")]
Fastest = Annotated[bool, typer.Option("--max", help="As fast as possible: what happens without --speed and --rate.")]
Since = Annotated[
    datetime | None,
    typer.Option(formats=DATE_FORMATS, help="First day to send (UTC); with --synthetic, its first day."),
]
Until = Annotated[datetime | None, typer.Option(formats=DATE_FORMATS, help="First day not to send (UTC).")]
Last = Annotated[str | None, typer.Option(help="Only this long before the end of the data, such as 14d or 6h.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many events.")]
ShiftToNow = Annotated[
    bool,
    typer.Option("--shift-to-now", help="Move all times so that the last event is just before now; gaps and ids stay."),
]
Catalog = Annotated[bool, typer.Option("--catalog/--no-catalog", help="Send the catalogue of items first.")]
Synthetic = Annotated[bool, typer.Option("--synthetic", help="Send made-up browsing sessions instead of purchases.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the sessions: the same seed makes the same events.")]
Users = Annotated[int | None, typer.Option(min=1, help="Of the sessions: how many users; all households if not given.")]
Events = Annotated[int, typer.Option(min=1, help="Of the sessions: how many events.")]


@dataclass(frozen=True)
class Plan:
    """The events of a replay: how many, from when to when, and an iterator over them."""

    count: int
    first_ms: int
    last_ms: int
    records: Iterator[Record]


def replay(
    speed: Speed = None,
    rate: Rate = None,
    fastest: Fastest = False,
    since: Since = None,
    until: Until = None,
    last: Last = None,
    limit: Limit = None,
    shift_to_now: ShiftToNow = False,
    catalog: Catalog = True,
    synthetic: Synthetic = False,
    seed: Seed = 0,
    users: Users = None,
    events: Events = 100_000,
    as_json: JsonFlag = False,
) -> None:
    """Send real purchases (a year of 2,469 households at a grocer) to the topic `interactions`, with their catalogue.

    Event ids are fixed, so the jobs drop what a second replay sends again.
    """
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what goes wrong is said once, by the error that is raised
    pace = chosen_pace(speed, rate, fastest)
    if synthetic:
        refuse(until=until, last=last)
        plan = synthetic_plan(seed, users, min(events, limit or events), milliseconds_of(since), shift_to_now)
    else:
        plan = purchase_plan(chosen_window(since, until, last, limit), shift_to_now)
    with EventProducer(load_settings(), linger_ms=5 if pace.paced else 20) as producer:
        report = send(producer, plan, pace, catalog=catalog, quiet=as_json)
    report["synthetic"] = synthetic
    tell(report, as_json)


def chosen_pace(speed: float | None, rate: float | None, fastest: bool) -> Pace:
    """Return the one pace that was asked for.

    Raises:
        FreshetError: more than one was.
    """
    if sum((speed is not None, rate is not None, fastest)) > 1:
        raise FreshetError("Give one of --speed, --rate and --max, not several.")
    return Pace(speed=speed, rate=rate)


def refuse(**options: Any) -> None:
    """Raise a FreshetError when an option was given that the synthetic sessions do not have."""
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise FreshetError(f"--synthetic has no {' or '.join(given)}: choose how many by --events and --users.")


def chosen_window(
    since: datetime | None, until: datetime | None, last: str | None, limit: int | None
) -> journey.Window:
    """Return the part of the year that was asked for; `last` counts back from `until`, or from the end of the data.

    Raises:
        FreshetError: the options contradict each other, or leave nothing.
    """
    if last and since:
        raise FreshetError("Give --since or --last, not both.")
    since_ms, until_ms = milliseconds_of(since), milliseconds_of(until)
    if last:
        end_ms = until_ms if until_ms is not None else journey.last_event_ms() + 1
        since_ms = end_ms - milliseconds(last)
    return journey.Window(since_ms, until_ms, limit)


def milliseconds_of(moment: datetime | None) -> int | None:
    """Return a UTC date as milliseconds since 1970."""
    return None if moment is None else int(moment.replace(tzinfo=timezone.utc).timestamp() * 1000)


def purchase_plan(window: journey.Window, shift_to_now: bool) -> Plan:
    """Plan the purchases of a window.

    Raises:
        FreshetError: there are none.
    """
    frame = journey.purchases(window)
    if frame.empty:
        raise FreshetError("No purchases in that time: the data runs from 2017-01-01 to 2018-01-01.")
    first_ms, last_ms = int(frame["event_time"].iloc[0]), int(frame["event_time"].iloc[-1])
    shift_ms = shift_to(now_ms(), last_ms) if shift_to_now else 0
    return Plan(len(frame), first_ms + shift_ms, last_ms + shift_ms, journey.events(frame, shift_ms))


def synthetic_plan(seed: int, users: int | None, count: int, since_ms: int | None, shift_to_now: bool) -> Plan:
    """Plan sessions that go on from the end of the real data, or from `since_ms`.

    To know by how much to shift, the sessions are made twice: faster than keeping them.
    """
    tastes, end_ms = shop()
    start_ms = end_ms if since_ms is None else since_ms
    sessions = Sessions(tastes, users or len(tastes.households), start_ms, seed)
    times = [record["event_time"] for record in islice(sessions.events(), count)]
    shift_ms = shift_to(now_ms(), times[-1]) if shift_to_now else 0
    return Plan(count, times[0] + shift_ms, times[-1] + shift_ms, shifted(islice(sessions.events(), count), shift_ms))


def shop() -> tuple[Tastes, int]:
    """Return what the real households like, and the midnight at which their purchases end."""
    lines = journey.purchases()
    return estimate(lines, journey.products()), next_midnight(lines["event_time"])


def shifted(records: Iterator[Record], shift_ms: int) -> Iterator[Record]:
    """Move the times of records as they pass."""
    for record in records:
        record["event_time"] += shift_ms
        yield record


def now_ms() -> int:
    """Return the clock in milliseconds since 1970."""
    return int(time.time() * 1000)


def send(producer: EventProducer, plan: Plan, pace: Pace, *, catalog: bool, quiet: bool) -> dict[str, Any]:
    """Send the catalogue, then the events at their pace, and return what was done."""
    items = 0
    if catalog:
        with progress("catalogue", CATALOG_SIZE, quiet) as bar:
            items = producer.produce(journey.catalogue(), CATALOG, on_progress=bar)
    producer.ready(INTERACTIONS)
    start = time.monotonic()
    with progress("events", plan.count, quiet) as bar:
        sent = producer.produce(plan.records, INTERACTIONS, pace=pace, on_progress=bar)
    seconds = time.monotonic() - start
    return {
        "events": sent,
        "catalog": items,
        "seconds": round(seconds, 3),
        "events_per_second": round(sent / seconds, 1) if seconds else None,
        "first_event_time": iso(plan.first_ms),
        "last_event_time": iso(plan.last_ms),
    }


@contextmanager
def progress(label: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal's standard error while the block runs; yields the function that moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal, transient=True) as bars:
        task = bars.add_task(label, total=total)
        yield lambda done: bars.update(task, completed=done)


def iso(moment_ms: int) -> str:
    """Return a time as text.

    >>> iso(1483228800000)
    '2017-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(moment_ms / 1000, timezone.utc).isoformat(timespec="seconds")


def tell(report: dict[str, Any], as_json: bool) -> None:
    """Print what was sent."""
    if as_json:
        print_json(report)
        return
    kind = "synthetic events" if report["synthetic"] else "purchases"
    items = f"{report['catalog']:,} catalogue items and " if report["catalog"] else ""
    times = f"{report['first_event_time']} to {report['last_event_time']}"
    say(f"Sent {items}{report['events']:,} {kind} of {times}: {report['events_per_second']:,.0f} events a second.")
