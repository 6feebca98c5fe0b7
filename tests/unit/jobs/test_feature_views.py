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
from freshet.udfs.feast_layout import unpack_row
from freshet.udfs.view_sql import EVENT_COLUMNS, chain, unique_events
from freshet.udfs.views import Aggregation, View

pytestmark = pytest.mark.flink

Key = tuple[str, ...]
Final = dict[Key, tuple[int, int, list[Any]]]
"""For each key: how many events it has had, the latest of their times, and its features."""

TYPES = {"event_time": "BIGINT", "value": "DOUBLE", "source_offset": "BIGINT"}
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
        "department": None,
        "category": f"category-{item % 4}" if has_item and item != 7 else None,
        "product_type": None,
        "brand": None,
        "source_offset": offset,
    }


def computed_by_flink(local: Any, events: list[Record], views: tuple[View, ...]) -> dict[str, Final]:
    """Run the views one after the other, as the features job does, and return what each key ends with."""
    columns = {name: TYPES.get(name, "STRING") for name in EVENT_COLUMNS}
    local.table("arrived", columns, [[event[name] for name in EVENT_COLUMNS] for event in events])
    local.view("events", "SELECT *, PROCTIME() AS pt FROM arrived")
    local.view("unique_events", unique_events("events"))
    for name, query in (steps := chain(views, "unique_events")):
        local.view(name, query)
    columns_out = [
        "event_id",
        *dict.fromkeys(key for view in views for key in view.keys),
        *(view.name for view in views),
    ]
    rows = [
        dict(zip(columns_out, row, strict=True))
        for row in local.rows(f"SELECT {', '.join(columns_out)} FROM {steps[-1][0]}")
    ]
    assert sorted(row["event_id"] for row in rows) == sorted({event["event_id"] for event in events})
    return {view.name: dict(finals(view, rows)) for view in views}


def finals(view: View, rows: list[Record]) -> Iterator[tuple[Key, tuple[int, int, list[Any]]]]:
    written = defaultdict(list)
    for row in rows:
        written[tuple(row[key] for key in view.keys)].append(unpack_row(bytes(row[view.name])))
    for key, versions in written.items():
        versions.sort(key=lambda version: version[0])
        assert [version for version, _, _ in versions] == list(range(1, len(versions) + 1))
        assert [as_of for _, as_of, _ in versions] == sorted(as_of for _, as_of, _ in versions)
        if None not in key:
            sequence, as_of, values = versions[-1]
            yield key, (sequence, as_of, [read_by_feast(value) for value in values])


def read_by_feast(value: bytes) -> Any:
    from feast.protos.feast.types.Value_pb2 import Value as ValueProto

    proto = ValueProto.FromString(value)
    kind = proto.WhichOneof("val")
    return list(proto.string_list_val.val) if kind == "string_list_val" else kind and getattr(proto, kind)


def specified(view: View, events: list[Record]) -> Final:
    """Return the same by the specification in Python, filters judged by another SQL engine."""
    groups = defaultdict(list)
    for event in {event["event_id"]: event for event in events}.values():
        groups[tuple(event[key] for key in view.keys)].append(event)
    return {
        key: (len(group), max(event["event_time"] for event in group), [value_of(one, group) for one in view.features])
        for key, group in groups.items()
        if None not in key
    }


def value_of(feature: Aggregation, group: list[Record]) -> Any:
    aggregate = aggregate_of(feature)
    brought = (Event(row["event_time"], brings(feature, row), row["source_offset"]) for row in group)
    return aggregate.result(state_after(aggregate, brought))


def brings(feature: Aggregation, row: Record) -> Any:
    if row[feature.column] is None or not holds(feature.where, row):
        return None
    return 1.0 if feature.function in ("ewma", "trend") else row[feature.column]


def holds(where: str, row: Mapping[str, Any], database: sqlite3.Connection = sqlite3.connect(":memory:")) -> bool:  # noqa: B008
    named = ", ".join(f":{name} AS {name}" for name in row)
    [[answer]] = database.execute(f"SELECT {where or 1} FROM (SELECT {named})", dict(row))
    return bool(answer)


@pytest.mark.parametrize("state", ["hashmap", "rocksdb"])
def test_flink_ends_with_what_the_specification_says(flink: Callable[..., Any], state: str) -> None:
    events, views = some_days(seed=1), the_shops_views()
    local = flink({"parallelism.default": "2", "state.backend.type": state, "table.exec.state.ttl": "90 d"})
    ended = computed_by_flink(local, events, views)
    for view in views:
        expected = specified(view, events)
        assert ended[view.name].keys() == expected.keys()
        for key, (sequence, as_of, values) in expected.items():
            assert ended[view.name][key] == (sequence, as_of, [about(value) for value in values]), (view.name, key)


def about(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def test_the_days_show_every_feature_at_work() -> None:
    """Were a feature the same for all keys, or empty, the comparison would prove little."""
    for view in the_shops_views():
        features = zip(*(values for _, _, values in specified(view, some_days(seed=1)).values()), strict=True)
        for feature, values in zip(view.features, features, strict=True):
            assert len({str(value) for value in values}) > 1, feature.name
            assert any(values), feature.name
