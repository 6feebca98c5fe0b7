"""Trends in the store equal their definitions: after the TaskManager was killed, and after a trend was added."""

import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from builders import Record
from e2e.earlier.make import send
from e2e.running import is_running, restarts, until
from freshet.settings import Settings
from freshet.stack.stack import Stack
from freshet.submit import Cluster, run_options
from freshet.udfs import decayed_rows
from freshet.udfs.decayed_rows import DecayedRow, Visit
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.trend_reader import Row, read_first_seen, read_rows, read_sessions
from freshet.udfs.trends import TRENDS, FirstSeen, Followers, Popular, Sessions, Together, Trend
from local_stack import Freshet, own_stack

pytestmark = pytest.mark.e2e

# Fewer items than a row keeps, so that none is left out.
EVENTS, USERS, ITEMS, STEP_MS, LATE_MS = 4_000, 60, 40, 2_000, 3_000
KINDS = ("view", "view", "click", "add_to_cart", "purchase", "purchase", "search", "impression")
WEIGHTS = {"purchase": 5.0, "add_to_cart": 3.0}
ADDED = Followers("next", half_life=timedelta(days=1), last=1)
WITH_ONE_MORE = """
from datetime import timedelta
from freshet.jobs.trends import main
from freshet.udfs.trends import TRENDS, Followers
main((Followers("next", half_life=timedelta(days=1), last=1), *TRENDS))
"""


def shoppers(seed: int, start_ms: int) -> list[Record]:
    """Return what users do in some hours, a little out of order."""
    seeded = random.Random(seed)
    return [an_event(seeded, number, start_ms + number * STEP_MS) for number in range(EVENTS)]


def an_event(seeded: random.Random, number: int, now_ms: int) -> Record:
    kind, item = seeded.choice(KINDS), int(ITEMS * seeded.random() ** 2)
    user, time_ms = int(USERS * seeded.random() ** 2), now_ms - seeded.randrange(LATE_MS)
    return {
        "event_id": f"e-{now_ms}",
        "subject": f"subject-{user}",
        "item_id": None if kind == "search" else f"item-{item}",
        "event_type": kind,
        "event_time": time_ms,
        "value": 1.0,
        "session_id": f"{user}-{time_ms // 600_000}",
        "request_id": None,
        "department": None,
        "category": f"category-{item % 3}" if item else None,
        "product_type": None,
        "brand": None,
        "source_partition": 0,
        "source_offset": number,
        "context": {"geo": "north"} if user % 2 else {},
    }


def visits(trend: Trend, events: list[Record]) -> list[Visit]:
    """Return what a trend sees of events."""
    wanted = {"purchase"} if isinstance(trend, Together) else {"view", "click", "add_to_cart", "purchase"}
    return [
        Visit(
            event["subject"],
            event["item_id"],
            event["event_time"],
            event["source_offset"],
            WEIGHTS.get(event["event_type"], 1.0) if isinstance(trend, Popular) else 1.0,
            keys(trend, event),
        )
        for event in events
        if event["item_id"] and event["event_type"] in wanted
    ]


def keys(trend: Trend, event: Record) -> tuple[str | None, ...]:
    if isinstance(trend, Popular):
        category, region = event["category"], event["context"].get("geo")
        return "all", category and f"category:{category}", region and f"region:{region}"
    return (event["session_id"],) if isinstance(trend, Together) else ()


@dataclass(frozen=True)
class Shop:
    """A stack on which the trends job runs, and all events that it was sent."""

    settings: Settings
    freshet: Freshet
    events: list[Record]

    @property
    def pipe(self) -> RedisPipe:
        return RedisPipe(self.settings.redis.url.get_secret_value())

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.settings)

    def differences(self, trend: Trend) -> list[str]:
        """Return which rows of a trend are not what they are by definition."""
        wrong = []
        right: dict[str, dict[str, DecayedRow]] = {}
        for (name, key), row in decayed_rows.rows(trend, visits(trend, self.events)).items():
            right.setdefault(name, {})[key] = row
        pipe = self.pipe
        for name, rows in right.items():
            found = read_rows(pipe, name, list(rows))
            wrong += [
                f"{name}:{key}" for key, row in zip(rows, found, strict=True) if not row or not same(row, rows[key])
            ]
        pipe.close()
        return wrong


def same(found: Row, right: DecayedRow) -> bool:
    """Compare a row with its definition, as of its own time."""
    right.as_of = max(right.as_of, found.as_of)
    counts = {item: list(counts) for item, *counts in zip(found.ids, *found.counts, strict=True)}
    wanted = right.counts()
    return (
        found.as_of == right.as_of
        and found.totals == pytest.approx(right.totals(), rel=1e-6)
        and counts == {item: pytest.approx(one, rel=1e-6) for item, one in wanted.items()}
    )


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """A stack of its own, after events during which the TaskManager was killed."""
    events = shoppers(seed=1, start_ms=time.time_ns() // 1_000_000 - 2 * EVENTS * STEP_MS)
    with own_stack() as (settings, freshet):
        freshet("submit", "trends")
        cluster, servers = Cluster(settings), Stack(settings)
        until(partial(is_running, cluster, "trends"), "job trends", timeout_s=120)
        before = restarts(cluster, "trends")
        for part in range(0, EVENTS, EVENTS // 4):
            send(settings, events[part : part + EVENTS // 4])
            time.sleep(2)  # some of it is in a checkpoint, some in the store, some on its way
            if part == EVENTS // 4:
                servers.kill("taskmanager")
                servers.start("taskmanager")
        send(settings, events[::7])  # copies
        until(partial(is_running, cluster, "trends"), "job trends after the kill", timeout_s=120)
        assert restarts(cluster, "trends") > before, "the kill went unnoticed: the test proves nothing"
        yield Shop(settings, freshet, events)


COUNTS = [trend for trend in TRENDS if not isinstance(trend, Sessions | FirstSeen)]


@pytest.mark.parametrize("trend", COUNTS, ids=lambda trend: trend.name)
def test_rows_equal_their_definition_after_a_kill(shop: Shop, trend: Trend) -> None:
    until(partial(agrees, shop, trend), f"{trend.name} to settle", timeout_s=60, poll_s=1.0)


def test_first_times_and_sessions_equal_their_definition_after_a_kill(shop: Shop) -> None:
    (sessions,) = (trend for trend in TRENDS if isinstance(trend, Sessions))
    (fresh,) = (trend for trend in TRENDS if isinstance(trend, FirstSeen))
    pipe = shop.pipe
    seen = visits(sessions, shop.events)
    assert dict(read_first_seen(pipe, fresh.name, ITEMS)) == decayed_rows.first_seen(fresh, seen)
    told = {(one.end, tuple(one.items)) for one in read_sessions(pipe, sessions.name)}
    pipe.close()
    right = decayed_rows.sessions(sessions, seen)
    lasting = {history[-1].time for history in decayed_rows.by_user(seen)}
    assert {session for session in right if session[0] not in lasting} == told
    assert told


def test_a_trend_that_is_added_begins_and_the_others_go_on(shop: Shop, tmp_path: Path) -> None:
    savepoint = shop.cluster.stop(running(shop))
    script = tmp_path / "with_one_more.py"
    script.write_text(WITH_ONE_MORE)
    submit(shop, script, savepoint)
    until(partial(is_running, shop.cluster, "trends"), "job trends with one more", timeout_s=120)
    more = shoppers(seed=2, start_ms=shop.events[-1]["event_time"] + LATE_MS)[: EVENTS // 4]
    for number, event in enumerate(more):
        event["source_offset"] = EVENTS + number
    send(shop.settings, more)
    later = Shop(shop.settings, shop.freshet, shop.events + more)
    for trend in COUNTS:
        until(partial(agrees, later, trend), f"{trend.name} to go on", timeout_s=60, poll_s=1.0)
    alone = Shop(shop.settings, shop.freshet, more)
    until(partial(agrees, alone, ADDED), "the new trend", timeout_s=60, poll_s=1.0)


def agrees(shop: Shop, trend: Trend) -> bool:
    return not shop.differences(trend)


def running(shop: Shop) -> Any:
    job = shop.cluster.live("trends")
    assert job is not None
    return job


def submit(shop: Shop, script: Path, savepoint: str) -> None:
    """Send a script as the job, as `flink run` does."""
    servers = Stack(shop.settings)
    options = run_options(shop.settings.flink.rest_url, "trends", savepoint)[:-1]
    done = subprocess.run(
        servers.flink_command("run", *options, str(script)),
        env=shop.freshet.environment | servers.flink_environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
