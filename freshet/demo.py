"""The demo: from nothing to a real user's list that one event changes, on real parts and real purchases."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.table import Table

from freshet.console import out
from freshet.errors import FreshetError
from freshet.lists import Answer, ListReader
from freshet.schemas.avro import Record
from freshet.settings import Settings

WAIT_S = 600.0
POLL_S = 0.001
REPLAYED = "21d"
JOBS = ("ingest", "features", "scoring")

T = TypeVar("T")


@dataclass(frozen=True)
class Shopper:
    """The user whose list is shown, and how many events of theirs were replayed."""

    user_id: str
    events: int


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show what is going on, and afterwards how long it took."""
    start = time.monotonic()
    with out.status(f"{title} ..."):
        yield
    out.print(f"[green]✓[/green] {title} [dim]({time.monotonic() - start:.0f} s)[/dim]")


def run_demo(settings: Settings, repo: Path) -> dict[str, Any]:
    """Run everything and return the figures that were printed.

    Raises:
        FreshetError: a part does not come up, or the lists do not come in time.
    """
    prepare(settings, repo)
    shopper = replay_purchases(settings)
    reader = ListReader(settings)
    with step(f"features and list of user {shopper.user_id} caught up with {shopper.events} events"):
        wait_for(lambda: newer(reader, shopper.user_id, shopper.events), "the list of the demo's user")
    with step("lists of all households caught up"):
        wait_for(lambda: has_caught_up(settings), "the scoring job")
    before = wait_for(lambda: reader.own(shopper.user_id), "the list of the demo's user")
    names = item_names()
    show(f"The list of user {shopper.user_id}", before, names)
    chosen = surprising_item(settings, before)
    after, milliseconds = inject(settings, reader, shopper.user_id, chosen, before)
    out.print(f"\nUser {shopper.user_id} now looks at [bold]{names.get(chosen, chosen)}[/bold] ({chosen}).")
    show("The list after that one event", after, names, before)
    changed = len(ids(after) - ids(before))
    out.print(
        f"\n[bold]{milliseconds:.0f} ms[/bold] from producing the event to the new list in Redis; {changed} items are new."
    )
    say_what_next(settings, shopper.user_id)
    return {"user": shopper.user_id, "event_to_list_ms": round(milliseconds, 1), "new_items": changed}


def prepare(settings: Settings, repo: Path) -> None:
    """Start the servers, register schemas and features, and submit the jobs; what is there already stays."""
    from freshet.commands.schemas import register_schemas
    from freshet.definitions import apply_definitions
    from freshet.stack.stack import Stack
    from freshet.submit import Cluster
    from freshet.topics import create_topics

    with step("broker, registry, store and Flink cluster are up"):
        Stack(settings).up()
    with step("schemas and topics registered"):
        register_schemas(settings)
        create_topics(settings)
    with step("features applied"):
        apply_definitions(settings, repo)
    cluster = Cluster(settings)
    with step(f"jobs {', '.join(JOBS)} submitted"), ThreadPoolExecutor(len(JOBS)) as pool:
        list(pool.map(cluster.submit, JOBS))
    with step("jobs running"):
        for name in JOBS:
            wait_for(partial(is_running, cluster, name), f"job {name}")


def is_running(cluster: Any, name: str) -> bool:
    """Tell whether every task of a job runs.

    Raises:
        FreshetError: it has ended.
    """
    job = cluster.live(name)
    if job is None:
        raise FreshetError(f"Job {name} has ended; read the TaskManager's log, which `freshet status` names.")
    vertices = cluster.get(f"/jobs/{job.id}")["vertices"]
    return all(vertex["status"] == "RUNNING" for vertex in vertices)


def replay_purchases(settings: Settings) -> Shopper:
    """Send the catalogue and the last weeks of real purchases, moved to now, and choose a busy user."""
    from freshet.commands.replay import purchase_plan, send
    from freshet.replay import journey
    from freshet.replay.pace import Pace, milliseconds
    from freshet.replay.produce import EventProducer

    window = journey.Window(journey.last_event_ms() + 1 - milliseconds(REPLAYED), None, None)
    plan = purchase_plan(window, shift_to_now=True)
    with EventProducer(settings) as producer:
        report = send(producer, plan, Pace(), catalog=True, quiet=False)
    rate = report["events_per_second"]
    out.print(
        f"[green]✓[/green] {report['events']:,} real purchases of {REPLAYED} replayed at {rate:,.0f} events a second"
    )
    counts = journey.purchases(window)["household_id"].value_counts()
    return Shopper(str(counts.index[0]), int(counts.iloc[0]))


def newer(reader: ListReader, user_id: str, events: int) -> Answer | None:
    """Return the user's list once it knows so many events."""
    answer = reader.own(user_id)
    return answer if answer and answer.sequence >= events else None


def has_caught_up(settings: Settings) -> bool:
    """Tell whether every announcement has led to a list: an event that comes now waits for no other."""
    from freshet.doctor.broker import look_at_lags

    (lag,) = look_at_lags(settings, jobs=("scoring",))
    return lag.records == 0


def wait_for(look: Callable[[], T | None], what: str, poll_s: float = 0.2) -> T:
    """Return what `look` finds.

    Raises:
        FreshetError: it finds nothing in time.
    """
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(poll_s)
    raise FreshetError(f"Waited {WAIT_S:.0f} s in vain for {what}; read the logs that `freshet status` names.")


def surprising_item(settings: Settings, answer: Answer) -> str:
    """Return a popular item whose company is least like the list: to look at it should change the list."""
    from freshet.models.artefact import Artefact

    artefact = Artefact.load(settings.model.path)
    listed = set(artefact.vocabulary.indices(ids(answer)).tolist())

    def overlap(index: int) -> int:
        return len(listed.intersection(artefact.covisits.neighbours[index].tolist()))

    candidates = [index for index in range(1, 401) if index not in listed]
    return artefact.vocabulary.item(min(candidates, key=overlap))


def inject(settings: Settings, reader: ListReader, user_id: str, item_id: str, before: Answer) -> tuple[Answer, float]:
    """Send one view and return the list that it leads to, and the milliseconds from sending to reading it."""
    from freshet.replay.produce import EventProducer
    from freshet.schemas.topics import INTERACTIONS

    with EventProducer(settings, linger_ms=0) as producer:
        producer.ready(INTERACTIONS)
        start = time.perf_counter()
        producer.produce_one(view(user_id, item_id))
        after = wait_for(lambda: newer(reader, user_id, before.sequence + 1), "the new list", POLL_S)
        return after, (time.perf_counter() - start) * 1000


def view(user_id: str, item_id: str) -> Record:
    """Return an event: this user looks at this item now."""
    now = time.time_ns() // 1_000_000
    return {
        "event_id": f"demo-{user_id}-{now}",
        "user_id": user_id,
        "item_id": item_id,
        "event_type": "view",
        "event_time": now,
        "value": None,
        "session_id": None,
        "request_id": None,
        "context": {"source": "demo"},
    }


def ids(answer: Answer) -> set[str]:
    """Return the item ids of a list."""
    return {item["item_id"] for item in answer.items}


def item_names() -> dict[str, str]:
    """Return what each item is."""
    from freshet.replay import journey

    return {item["item_id"]: (item["title"] or item["product_type"] or "").lower() for item in journey.catalogue()}


def show(title: str, answer: Answer, names: dict[str, str], before: Answer | None = None) -> None:
    """Print a list; with the one before it, say what is new and how far the others moved."""
    table = Table("", "item", "", "score", "source", title=f"\n{title}", title_justify="left", box=None)
    old = {item["item_id"]: place for place, item in enumerate(before.items)} if before else {}
    for place, item in enumerate(answer.items):
        table.add_row(
            f"{place + 1}{movement(place, old.get(item['item_id'])) if before else ''}",
            item["item_id"],
            names.get(item["item_id"], ""),
            f"{item['score']:.3f}",
            item["source"],
        )
    out.print(table)


def movement(place: int, old: int | None) -> str:
    """Return how a place came about.

    >>> movement(0, None), movement(2, 5), movement(3, 3)
    (' new', ' ↑3', '')
    """
    if old is None:
        return " new"
    if old == place:
        return ""
    return f" ↑{old - place}" if old > place else f" ↓{place - old}"


def say_what_next(settings: Settings, user_id: str) -> None:
    """Tell what to try."""
    command = ".venv/bin/freshet"
    out.print("\nTry next:")
    for words, what in (
        (f"{command} topn {user_id}", "the list again"),
        (f"{command} features get user {user_id}", "the features behind it, through Feast"),
        (f"{command} replay --synthetic --rate 200 --shift-to-now", "browsing sessions, made up, over the same shop"),
        (f"{command} features plan", "the SQL that Flink runs"),
        (f"{command} status", "the servers and their logs"),
    ):
        out.print(f"  {words:62} [dim]{what}[/dim]")
    out.print(f"  {settings.flink.rest_url:62} [dim]the jobs in Flink's own page[/dim]")
    out.print(f"Stop it all: [bold]{command} down[/bold]")
