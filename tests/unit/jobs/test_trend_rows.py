"""Flink keeps of every trend what the specification says, whatever the order in which the events come."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import NOON, Record, hours, minutes
from freshet.schemas.keys import TrendRow
from freshet.udfs import decayed_rows
from freshet.udfs.decayed_rows import DecayedRow, Visit
from freshet.udfs.trend_spec import TrendConfig, brought_query, trend_spec
from freshet.udfs.trends import CoVisits, FirstSeen, Followers, Kept, Popular, Sessions, Together, Trend
from freshet.udfs.view_sql import EVENT_COLUMNS, unique_events

pytestmark = pytest.mark.flink

AT_ONCE = Kept(every=timedelta(0))
HOUR = timedelta(hours=1)
CONFIG = TrendConfig("redis://nowhere", 86_400_000)

FOLLOWERS = Followers("followers", HOUR, last=3, weight="2e0", slack=100, kept=AT_ONCE)
COVISITS = CoVisits("covisits", HOUR, last=2, where="event_type <> 'search'", slack=100, kept=AT_ONCE)
TOGETHER = Together("together", "baskets", HOUR, kept=AT_ONCE, all_kept=AT_ONCE)
POPULAR = Popular(
    "popular", (timedelta(minutes=10), 24 * HOUR), ("'all'", "CONCAT('category:', category)"), kept=AT_ONCE
)
SESSIONS = Sessions("sessions", gap=timedelta(minutes=30))
FRESH = FirstSeen("fresh", where="event_type = 'view'")
OF_COUNTS = (FOLLOWERS, COVISITS, TOGETHER, POPULAR)
ALL: tuple[Trend, ...] = (*OF_COUNTS, SESSIONS, FRESH)

WEIGHTS = {"purchase": 5.0, "add_to_cart": 3.0}
INTEREST = ("view", "click", "add_to_cart", "purchase")


def shopping(seed: int, count: int = 300) -> list[Record]:
    """Return what a few users do over some hours, in the order of time."""
    seeded = random.Random(seed)
    times = sorted(NOON + seeded.randrange(hours(6)) for _ in range(count))
    return [an_event(seeded, number, time - time % minutes(1)) for number, time in enumerate(times)]


def an_event(seeded: random.Random, number: int, time: int) -> Record:
    kind, item = seeded.choice((*INTEREST, "purchase", "search")), seeded.randrange(8)
    return dict.fromkeys(EVENT_COLUMNS) | {
        "event_id": f"e-{number}",
        "subject": f"subject-{seeded.randrange(6)}",
        "item_id": f'item "{item}" ж' if seeded.random() < 0.9 else None,
        "event_type": kind,
        "event_time": time,
        "session_id": seeded.choice(("s1", "s2", None)),
        "category": f"category-{item % 3}" if item else None,
        "source_partition": 0,
        "source_offset": number,
        "context": {},
    }


def visits_of(trend: Trend, events: Sequence[Record]) -> list[Visit]:
    """Return what a trend sees of events, worked out without its SQL."""
    there = [event for event in events if event["item_id"] is not None and counts(trend, event)]
    return [
        Visit(
            event["subject"],
            event["item_id"],
            event["event_time"],
            event["source_offset"],
            weight(trend, event),
            keys(trend, event),
        )
        for event in there
    ]


def counts(trend: Trend, event: Record) -> bool:
    kind = event["event_type"]
    if trend.name == "together":
        return bool(kind == "purchase")
    if trend.name == "fresh":
        return bool(kind == "view")
    return kind in INTEREST


def weight(trend: Trend, event: Record) -> float:
    if trend.name == "followers":
        return 2.0
    return WEIGHTS.get(event["event_type"], 1.0) if trend.name == "popular" else 1.0


def keys(trend: Trend, event: Record) -> tuple[str | None, ...]:
    if trend.name == "popular":
        return "all", f"category:{event['category']}" if event["category"] else None
    return (event["session_id"] or str(event["event_time"]),) if trend.name == "together" else ()


Puts = list[tuple[str, str, int, int, str | None]]


def computed(local: Any, jvm: Any, trends: Sequence[Trend], events: Sequence[Record]) -> Puts:
    """Run the job as it is, without the store, and return what would be written, in the order of writing."""
    from pyflink.table import Table

    local.table("arrived", EVENT_COLUMNS, [[event[name] for name in EVENT_COLUMNS] for event in events], files=1)
    local.view("events", "SELECT *, PROCTIME() AS pt FROM arrived")
    local.view("unique_events", unique_events("events"))
    brought = local.env.sql_query(brought_query(trends, "unique_events"))
    job = jvm.freshet.trends.TrendJob
    puts = Table(job.puts(local.env._j_tenv, brought._j_table, trend_spec(trends, CONFIG)), local.env)
    local.env.create_temporary_view("puts", puts)
    rows: list[tuple[str, str, int, int, str | None]] = local.rows(
        "SELECT name, `member`, as_of, `count`, `value` FROM puts"
    )
    return rows


def last_rows(puts: Puts) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the row that would stand in the store: of each key the one with the highest version."""
    ordered = sorted((put for put in puts if put[4] is not None), key=lambda put: (put[2], put[3]))
    return {(name, key): json.loads(row) for name, key, _, _, row in ordered if row is not None}


def assert_same(found: dict[str, Any], right: DecayedRow) -> None:
    """Compare a row with its definition as of its own time; what is written has seven digits.

    That time may be later than the definition's: the newest event that has touched the row can have been pushed out of it
    since by others that came late.
    """
    as_of = int(found["version"].split("-")[0])
    assert as_of >= right.as_of
    right = replace(right, as_of=as_of)
    assert found["totals"] == pytest.approx(right.totals(), rel=1e-6)
    counts = {item: list(counts) for item, *counts in zip(found["ids"], *found["counts"], strict=True)}
    assert counts == {item: pytest.approx(one, rel=1e-6) for item, one in right.counts().items()}
    rates = [right.rate(one) for one in counts.values()]
    assert rates == sorted(rates, reverse=True) or rates == pytest.approx(sorted(rates, reverse=True), rel=1e-6)


def assert_right(trends: Sequence[Trend], puts: Puts, events: Sequence[Record]) -> None:
    found = last_rows(puts)
    right = {place: row for one in trends for place, row in decayed_rows.rows(one, visits_of(one, events)).items()}
    assert found.keys() == right.keys()
    for place, row in right.items():
        assert_same(found[place], row)


@pytest.mark.parametrize("state", ["hashmap", "rocksdb"])
def test_rows_are_what_the_specification_says_whatever_the_order_of_arrival(
    flink: Callable[..., Any], jvm: Any, state: str
) -> None:
    """In no order at all, and some come twice."""
    events = shopping(seed=1)
    arriving = random.Random(2).sample([*events, *events[::10]], k=330)
    local = flink({"parallelism.default": "2", "state.backend.type": state})
    assert_right(OF_COUNTS, computed(local, jvm, ALL, arriving), events)


def test_of_a_long_history_only_what_a_late_event_needs_is_kept(flink: Callable[..., Any], jvm: Any) -> None:
    """Each user has some fifty visits, of which ten are kept, and none is more than six visits late."""
    trends = tuple(replace(one, slack=6) for one in (FOLLOWERS, COVISITS))
    events = shopping(seed=3)
    seeded = random.Random(4)
    late = sorted(events, key=lambda event: event["event_time"] + seeded.choice((0, 0, minutes(30))))
    assert late != events
    assert_right(trends, computed(flink({"parallelism.default": "1"}), jvm, trends, late), events)


def test_what_comes_later_than_that_is_left_out(flink: Callable[..., Any], jvm: Any) -> None:
    strict = replace(FOLLOWERS, last=1, slack=1)
    events = [
        an_event(random.Random(0), number, NOON + minutes(number))
        | {"subject": "ann", "item_id": f"item-{number}", "event_type": "view"}
        for number in range(5)
    ]
    arriving = [*events[1:], events[0]]
    assert_right([strict], computed(flink({"parallelism.default": "1"}), jvm, [strict], arriving), events[1:])


def test_first_times_and_sessions_that_are_over_are_what_the_specification_says(
    flink: Callable[..., Any], jvm: Any
) -> None:
    events = shopping(seed=5, count=120)
    puts = computed(flink({"parallelism.default": "1"}), jvm, ALL, events)
    first: dict[str, int] = {}
    for name, item, time, _, _ in puts:
        if name == "fresh":
            first[item] = min(time, first.get(item, time))
    assert first == decayed_rows.first_seen(FRESH, visits_of(FRESH, events))
    told = [(time, json.loads(session)) for name, session, time, _, _ in puts if name == "sessions"]
    assert told
    assert all(session["end"] == time for time, session in told)
    everything = visits_of(SESSIONS, events)
    right = decayed_rows.sessions(SESSIONS, everything)
    lasting = {max(visit.time for visit in history) for history in decayed_rows.by_user(everything)}
    closed = {session for session in right if session[0] not in lasting}
    found = {(time, tuple(session["items"])) for time, session in told}
    assert closed <= found <= right


def test_a_hot_row_leaves_in_few_parts(flink: Callable[..., Any], jvm: Any) -> None:
    """Three hundred events touch it, which is some hundred parts fewer than events."""
    events = shopping(seed=6)
    popular = [put for put in computed(flink({"parallelism.default": "1"}), jvm, (POPULAR,), events) if put[1] == "all"]
    assert len(popular) < len(events) / 10


def test_of_a_full_row_the_members_with_the_lowest_counts_are_left_out(flink: Callable[..., Any], jvm: Any) -> None:
    few = Popular("popular", (HOUR,), ("'all'",), where="TRUE", weight="`value`", kept=Kept(4, 2, timedelta(0)))
    events = [
        an_event(random.Random(0), number, NOON)
        | {"item_id": f"item-{number:02}", "value": float(2**number), "event_type": "view"}
        for number in range(10)
    ]
    (row,) = last_rows(computed(flink({"parallelism.default": "1"}), jvm, (few,), events)).values()
    assert (row["ids"], row["counts"]) == (["item-09", "item-08"], [[512.0, 256.0]])


@pytest.mark.parametrize("key", ["a", "category:hot drinks", 'ж"/%~', "🛒\n", "+*", "\x00{}"])
def test_java_encodes_keys_as_the_grammar_does(jvm: Any, key: str) -> None:
    assert jvm.freshet.trends.TrendTrial.rowKey("popular", key) == TrendRow("popular", key).encode()
