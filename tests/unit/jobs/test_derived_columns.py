"""What a view derives of place, device, time, price and vectors is the same in Flink, in training sets and on paper."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import NOON, Record, hours
from engine_values import about, archived, computed_by_flink, in_history
from freshet.archive.read import connect
from freshet.udfs.feast_layout import EntityKeys
from freshet.udfs.view_checks import problems
from freshet.udfs.view_sql import EVENT_COLUMNS, ITEM_VECTOR
from freshet.udfs.views import Aggregation, View

pytestmark = pytest.mark.flink

REGION = ("region", "context['geo']")
HOUR = ("hour", "MOD(event_time / 3600000, 24)")
WEEKDAY = ("weekday", "MOD(event_time / 86400000 + 3, 7)")  # 0 is Monday: 1970 began on a Thursday
BAND = (
    "price_band",
    "CASE WHEN `value` < 10 THEN 'low' WHEN `value` < 40 THEN 'middle' WHEN `value` IS NOT NULL THEN 'high' END",
)
SPEED = ("speed", "TRY_CAST(context['speed'] AS DOUBLE)")
TASTE = ("taste", f"{ITEM_VECTOR}(item_id)")
DAYS: dict[str, Any] = {"window_ms": hours(72), "slide_ms": hours(24)}  # three panes of a day

VIEWS = (
    View(
        "hour_activity",
        ("hour",),
        (Aggregation("hour_events", "count", "event_id", "Int64", **DAYS),),
        0,
        (HOUR,),
    ),
    View(
        "region_category_trends",
        ("region", "category"),
        (
            Aggregation("region_category_events", "count", "event_id", "Int64", **DAYS),
            Aggregation("region_category_dear", "count", "event_id", "Int64", **DAYS, where="price_band = 'high'"),
        ),
        0,
        (REGION, BAND),
    ),
    View(
        "user_context",
        ("subject",),
        (
            Aggregation("user_regions", "last_n_distinct", "region", "Array(String)", n=3),
            Aggregation("user_devices", "last_n_distinct", "device_id", "Array(String)", n=3),
            Aggregation("user_hours", "top_k", "hour", "Array(String)", **DAYS, n=2),
            Aggregation("user_weekdays", "count_distinct", "weekday", "Int64", **DAYS),
            Aggregation("user_bands", "count_distinct", "price_band", "Int64", **DAYS),
            Aggregation(
                "user_evening_spend", "sum", "value", "Float64", **DAYS, where="`hour` >= 18 AND region <> 'moon'"
            ),
            Aggregation("user_speed_max", "max", "speed", "Float64", **DAYS),
        ),
        0,
        (REGION, HOUR, WEEKDAY, BAND, SPEED, ("device_id", "context['device_id']")),
    ),
    View(
        "user_taste",
        ("subject",),
        (
            Aggregation(
                "user_taste_1h", "ewma_vector", "taste", "Array(Float64)", hours(1), n=2, where="event_type = 'click'"
            ),
        ),
        0,
        (TASTE,),
    ),
)

VECTORS = {"item-1": [1.0, -0.25], "item-2": [0.1, 0.2], "item-3": [3.0, 1e-3]}  # item-0 and item-4 have none


def some_events(seed: int, count: int = 300) -> list[Record]:
    """Return events of three days around noon, in no order; some lack a place, a price, or an item with a vector."""
    chance = random.Random(seed)
    return [an_event(chance, number) for number in range(count)]


def an_event(chance: random.Random, number: int) -> Record:
    context = {
        "geo": chance.choice(("north", "south", "moon", "")),
        "device_id": chance.choice(("phone", "tv")),
        "speed": chance.choice(("1.5", "12", "fast", "-3")),
    }
    item = f"item-{chance.randrange(5)}" if chance.random() < 0.9 else None
    return dict.fromkeys(EVENT_COLUMNS) | {
        "event_id": f"e-{number}",
        "subject": f"u{chance.randrange(4)}",
        "item_id": item,
        "event_type": chance.choice(("click", "view", "purchase")),
        "event_time": NOON + chance.randrange(-hours(36), hours(36)),
        "value": chance.choice((None, 5.0, 10.0, 39.99, 40.0, 99.5)),
        "category": f"category-{number % 3}" if item else None,
        "source_partition": 0,
        "source_offset": number,
        "context": {name: value for name, value in context.items() if chance.random() < 0.8},
    }


def hour_of(event: Record) -> int:
    return int(event["event_time"] // hours(1) % 24)


def band_of(event: Record) -> str | None:
    value = event["value"]
    return None if value is None else "low" if value < 10 else "middle" if value < 40 else "high"


def speed_of(event: Record) -> float | None:
    text = event["context"].get("speed")
    return None if text in (None, "fast") else float(text)


KEYS: dict[str, Callable[[Record], Any]] = {
    "hour": lambda event: str(hour_of(event)),
    "region": lambda event: event["context"].get("geo"),
    "category": lambda event: event["category"],
    "subject": lambda event: event["subject"],
}


def in_window(events: list[Record], now: int) -> list[Record]:
    return [event for event in events if now // hours(24) - event["event_time"] // hours(24) < 3]


def newest_first(events: list[Record], value: Callable[[Record], Any]) -> list[Any]:
    ordered = sorted(events, key=lambda event: (event["event_time"], event["source_offset"]), reverse=True)
    return list(dict.fromkeys(found for event in ordered if (found := value(event)) is not None))


def taste_of(events: list[Record], now: int) -> list[float] | None:
    liked = [event for event in events if event["event_type"] == "click" and event["item_id"] in VECTORS]
    weights = [2.0 ** ((event["event_time"] - now) / hours(1)) for event in liked]
    pairs = list(zip(weights, (VECTORS[event["item_id"]] for event in liked), strict=True))
    return [sum(w * vector[at] for w, vector in pairs) / sum(weights) for at in (0, 1)] if liked else None


def on_paper(name: str, events: list[Record], now: int) -> list[Any]:
    """Return the features of a view by plain Python over the events of one entity."""
    kept = in_window(events, now)
    if name == "hour_activity":
        return [len(kept)]
    if name == "region_category_trends":
        return [len(kept), sum(band_of(event) == "high" for event in kept)]
    if name == "user_taste":
        return [taste_of(events, now)]
    hours_seen = Counter(str(hour_of(event)) for event in kept)
    evening = [
        e["value"] for e in kept if hour_of(e) >= 18 and e["context"].get("geo", "moon") != "moon" and e["value"]
    ]
    speeds = [speed for event in kept if (speed := speed_of(event)) is not None]
    return [
        newest_first(events, lambda event: event["context"].get("geo"))[:3],
        newest_first(events, lambda event: event["context"].get("device_id"))[:3],
        sorted(hours_seen, key=lambda hour: (-hours_seen[hour], hour))[:2],
        len({(event["event_time"] // hours(24) + 3) % 7 for event in kept}),
        len({band_of(event) for event in kept} - {None}),
        float(sum(evening)),
        max(speeds, default=None),
    ]


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.jsonl"
    lines = (json.dumps({"item_id": item, "vector": vector}) for item, vector in VECTORS.items())
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def groups_of(view: View, events: list[Record]) -> dict[tuple[str, ...], list[Record]]:
    groups = defaultdict(list)
    for event in events:
        key = tuple(KEYS[name](event) for name in view.keys)
        if None not in key:
            groups[key].append(event)
    return groups


def test_derived_columns_are_the_same_in_flink_in_history_and_on_paper(
    flink: Callable[..., Any], jvm: Any, tmp_path: Path, vectors: Path
) -> None:
    assert list(problems(VIEWS)) == []
    events = some_events(seed=5)
    local = flink({"parallelism.default": "2"})
    local.env._j_tenv.createTemporarySystemFunction(ITEM_VECTOR, jvm.freshet.features.ItemVector(str(vectors)))
    written = computed_by_flink(local, jvm, events, VIEWS)
    archived(tmp_path / "archive", events)
    archive = connect(str(tmp_path / "archive"), vectors)
    for view in VIEWS:
        groups, store_key = groups_of(view, events), EntityKeys("shop", view.keys)
        assert written[view.name].keys() == {store_key(key) for key in groups}
        complete = [
            (key, as_of, values)
            for key, group in groups.items()
            for as_of, version, values in written[view.name][store_key(key)]
            if version == len(group)
        ]
        paper = [on_paper(view.name, groups[key], as_of) for key, as_of, _ in complete]
        assert [values for *_, values in complete] == about(paper), view.name
        assert in_history(archive, view, [(key, as_of) for key, as_of, _ in complete]) == about(paper), view.name


def test_the_events_of_the_test_have_every_case() -> None:
    """Otherwise the test above could pass for want of data."""
    events = some_events(seed=5)
    assert {band_of(event) for event in events} == {None, "low", "middle", "high"}
    assert {event["context"].get("geo") for event in events} == {None, "north", "south", "moon", ""}
    assert {event["context"].get("speed") for event in events} >= {None, "fast", "12"}
    assert {event["item_id"] for event in events} >= {None, "item-0", "item-1"}


def test_a_changed_file_of_vectors_is_read_anew(jvm: Any, vectors: Path) -> None:
    def vector_of(item: str | None) -> list[float] | None:
        function = jvm.freshet.features.ItemVector(str(vectors))
        function.open(None)
        found = function.eval(item)
        return None if found is None else list(found)

    assert [vector_of("item-2"), vector_of("item-0"), vector_of(None)] == [[0.1, 0.2], None, None]
    vectors.write_text('{"item_id": 2, "vector": [7, 8, 9]}\n\n')
    assert [vector_of("2"), vector_of("item-2")] == [[7.0, 8.0, 9.0], None]


@pytest.mark.parametrize(
    "lines",
    [
        '{"item_id": "a", "vector": [1]}\n' * 2,
        '{"vector": [1]}\n',
        '{"item_id": "a", "vector": ["x"]}\n',
        "no json\n",
    ],
    ids=["twice", "no item", "no number", "no json"],
)
def test_vectors_that_cannot_be_are_refused_by_flink_and_by_duckdb(jvm: Any, vectors: Path, lines: str) -> None:
    from freshet.archive.dialect import session
    from freshet.errors import FreshetError

    vectors.write_text(lines)
    with pytest.raises(FreshetError, match="cannot be read"):
        session(vectors)
    with pytest.raises(Exception, match=r"vectors\.jsonl"):
        jvm.freshet.features.ItemVector(str(vectors)).open(None)
