"""The SQL of the shop's views, run by Flink over a few days of events, leaves what the specification says.

State is kept as Flink keeps it: on the heap, and in RocksDB, where every access serialises it.
"""

import random
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from builders import NOON, Record, hours, minutes, the_shops_views
from freshet.udfs.aggregates.aggregate import Event, state_after
from freshet.udfs.aggregates.declared import aggregate_of
from freshet.udfs.engine_spec import EngineConfig, engine_spec
from freshet.udfs.feast_layout import EntityKeys, version_field
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.view_sql import EVENT_COLUMNS, brought_query, unique_events
from freshet.udfs.views import Aggregation, View

pytestmark = pytest.mark.flink

Written = dict[bytes, list[tuple[int, int, list[Any]]]]
"""For each entity, in the order of writing: the instant, how many events it has had, and its features."""

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
        "source_offset": offset,
    }


def computed_by_flink(local: Any, jvm: Any, events: list[Record], views: tuple[View, ...]) -> dict[str, Written]:
    """Run the engine as the features job does, without the store, and return what would be written of each entity."""
    from pyflink.table import Table

    local.table("arrived", EVENT_COLUMNS, [[event.get(name) for name in EVENT_COLUMNS] for event in events])
    local.view("events", "SELECT *, PROCTIME() AS pt FROM arrived")
    local.view("unique_events", unique_events("events"))
    brought = local.env.sql_query(brought_query(views, "unique_events"))
    spec = engine_spec(views, EngineConfig("redis://nowhere", "shop", 1, 0))
    engine = jvm.freshet.features.FeatureJob
    local.env.create_temporary_view(
        "written", Table(engine.values(local.env._j_tenv, brought._j_table, spec), local.env)
    )
    written: dict[str, Written] = defaultdict(lambda: defaultdict(list))
    for key, as_of, version, values in local.rows("SELECT `key`, as_of, version, `values` FROM written"):
        name = next(view.name for view in views if bytes(key).startswith(version_field(view.name)))
        entity = bytes(key)[len(version_field(name)) :]
        written[name][entity].append((as_of, version, [value_of(value) for value in apart(bytes(values))]))
    return written


def apart(values: bytes) -> Iterator[bytes]:
    """Yield each value of a row."""
    at = 0
    while at < len(values):
        length = int.from_bytes(values[at : at + 4], "big")
        yield values[at + 4 : at + 4 + length]
        at += 4 + length


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


def brings(feature: Aggregation, row: Record) -> Any:
    """Return what the SQL must find in an event; filters are judged by another SQL engine."""
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
        groups = groups_of(view, events)
        assert written[view.name].keys() == groups.keys()
        for key, group in groups.items():
            rows = written[view.name][key]
            assert [row[:2] for row in rows] == sorted(row[:2] for row in rows), "a write was older than the one before"
            complete = [row for row in rows if row[1] == len(group)]
            assert {version for _, version, _ in rows} == set(range(1, len(group) + 1))
            for as_of, _, values in complete:
                right = [about(specified(one, group, as_of)) for one in view.features]
                assert values == right, (view.name, key, as_of)
            assert not [one.name for one in view.features if expires(one, group, complete[-1][0])]


def expires(feature: Aggregation, group: list[Record], now: int) -> bool:
    aggregate = aggregate_of(feature)
    happened = (Event(row["event_time"], brings(feature, row), row["source_offset"]) for row in group)
    return aggregate.expiry(state_after(aggregate, happened), now) is not None


def about(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [about(one) for one in value]
    return pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value


def value_of(proto: bytes) -> Any:
    """Return what Feast's own class reads of a value."""
    from feast.protos.feast.types.Value_pb2 import Value

    value = Value.FromString(proto)
    kind = value.WhichOneof("val")
    found: Any = getattr(value, kind) if kind else None
    return list(found.val) if kind and kind.endswith("list_val") else found
