"""The SQL of the shop's views, run by Flink over a few days of events, leaves what the specification says.

State is kept as Flink keeps it: on the heap, and in RocksDB, where every access serialises it.
"""

import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from builders import NOON, Record, hours, minutes, the_shops_views
from engine_values import Written, about, computed_by_flink, value_of
from freshet.udfs.aggregates.aggregate import Event, state_after
from freshet.udfs.aggregates.declared import aggregate_of
from freshet.udfs.engine_spec import arithmetic
from freshet.udfs.feast_layout import EntityKeys
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.views import Aggregation, View

pytestmark = pytest.mark.flink

EVENT_TYPES = ("view", "click", "search", "category_view", "add_to_cart", "purchase", "impression")


def some_days(seed: int, count: int = 400) -> list[Record]:
    """Return events of a few users in bursts, in no order at all; some come twice, some have no item or no category."""
    seeded = random.Random(seed)
    bursts = [NOON + seeded.randrange(hours(72)) for _ in range(12)]
    events = [one_of(seeded, offset, seeded.choice(bursts) + seeded.randrange(minutes(50))) for offset in range(count)]
    return seeded.sample(events + events[: count // 10], k=count + count // 10)


def one_of(seeded: random.Random, offset: int, time: int) -> Record:
    kind, item = seeded.choice(EVENT_TYPES), seeded.randrange(12)
    has_item = kind not in ("search", "category_view")
    return {
        "event_id": f"e-{offset}",
        "subject": f"subject-{seeded.randrange(5)}",
        "item_id": f"item-{item}" if has_item else None,
        "event_type": kind,
        "event_time": time - time % (1_000 if seeded.random() < 0.5 else 1),
        "value": round(seeded.uniform(0.5, 90), 2) if kind == "purchase" else None,
        "session_id": None,
        "request_id": None,
        "context": {"geo": "north"},
        "department": None,
        "category": f"category-{item % 4}" if has_item and item != 7 else None,
        "product_type": None,
        "brand": None,
        "source_partition": offset % 4,
        "source_offset": offset,
    }


def groups_of(view: View, events: list[Record]) -> dict[bytes, list[Record]]:
    """Return the events of each entity, each event id once, under the key that the entity has in the store."""
    groups = defaultdict(list)
    key_of = EntityKeys("shop", view.keys)
    for event in {event["event_id"]: event for event in events}.values():
        key = tuple(event[key] for key in view.keys)
        if None not in key:
            groups[key_of(key)].append(event)
    return groups


def specified(feature: Aggregation, group: list[Record], now: int) -> Any:
    aggregate = aggregate_of(feature)
    happened = (Event(row["event_time"], brings(feature, row), row["source_offset"]) for row in group)
    return aggregate.result(state_after(aggregate, happened), now)


def derived(row: Record) -> Record:
    """Return what the definitions of the shop derive from an event."""
    if row["item_id"] is None:
        return {"moment": None, "step": None}
    return {"moment": str(row["event_time"]), "step": f"{row['event_type']} {row['item_id']}"}


def brings(feature: Aggregation, row: Record) -> Any:
    """Return what the SQL must find in an event; filters are judged by another SQL engine."""
    row = row | derived(row)
    if row[feature.column] is None or not holds(feature.where, row):
        return None
    if feature.hit:
        return 1.0 if holds(feature.hit, row) else 0.0
    return row[feature.column] if FUNCTIONS[feature.function].takes in ("number", "text") else 1.0


def holds(where: str, row: Mapping[str, Any], database: sqlite3.Connection = sqlite3.connect(":memory:")) -> bool:  # noqa: B008
    plain = {name: value for name, value in row.items() if name != "context"}
    named = ", ".join(f":{name} AS {name}" for name in plain)
    [[answer]] = database.execute(f"SELECT {where or 1} FROM (SELECT {named})", plain)
    return bool(answer)


@pytest.mark.parametrize("state", ["hashmap", "rocksdb"])
def test_flink_ends_with_what_the_specification_says(flink: Callable[..., Any], jvm: Any, state: str) -> None:
    """Once all events of an entity are in, each write has the values of its instant, and the last leaves nothing to time."""
    events, views = some_days(seed=1), the_shops_views()
    local = flink({"parallelism.default": "2", "state.backend.type": state, "table.exec.state.ttl": "90 d"})
    written = computed_by_flink(local, jvm, events, views)
    for view in views:
        assert_right(view, written[view.name], groups_of(view, events))


def test_a_hot_key_harms_no_other(flink: Callable[..., Any], jvm: Any) -> None:
    """Nine events in ten are of one user, item and category; every value is right, theirs and all others'."""
    views = the_shops_views()
    hot = {"subject": "subject-hot", "item_id": "item-hot", "category": "category-hot"}
    events = [event | (hot if event["source_offset"] % 10 else {}) for event in some_days(seed=2, count=300)]
    written = computed_by_flink(flink({"parallelism.default": "2"}), jvm, events, views)
    for view in views:
        groups = groups_of(view, events)
        assert len(groups) > 1, view.name
        assert_right(view, written[view.name], groups)


def assert_right(view: View, written: Written, groups: Mapping[bytes, list[Record]]) -> None:
    assert written.keys() == groups.keys()
    for key, group in groups.items():
        rows = written[key]
        assert [row[:2] for row in rows] == sorted(row[:2] for row in rows), "a write was older than the one before"
        complete = [row for row in rows if row[1] == len(group)]
        assert {version for _, version, _ in rows} == set(range(1, len(group) + 1))
        for as_of, _, values in complete:
            right = [about(specified(one, group, as_of)) for one in view.features]
            assert values == right, (view.name, key, as_of)
        assert not [one.name for one in view.features if expires(one, group, complete[-1][0])]


def test_an_event_from_the_future_moves_the_windows_of_its_entity_by_as_much(jvm: Any) -> None:
    """Until the clock is there: what would have left by then has left, and what comes on time still counts."""
    hour = Aggregation("f", "count", "event_id", "Int64", window_ms=hours(1), slide_ms=minutes(5))
    trial = jvm.freshet.features.Trial(json.dumps(arithmetic(hour)))
    ahead = NOON + minutes(5)
    for position, time in enumerate((NOON - minutes(55), NOON - minutes(30), ahead, NOON)):
        trial.add(1.0, time, position)
    assert value_of(bytes(trial.value(ahead))) == 3


def expires(feature: Aggregation, group: list[Record], now: int) -> bool:
    aggregate = aggregate_of(feature)
    happened = (Event(row["event_time"], brings(feature, row), row["source_offset"]) for row in group)
    return aggregate.expiry(state_after(aggregate, happened), now) is not None
