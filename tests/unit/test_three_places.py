"""One definition, three places: what the stream writes, what the definition says, and what a training set has are equal.

Over generated events that come in any order, some twice, some at one instant, with gaps in which windows and sessions end.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import stdev
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOON, SECOND, Record
from by_definition import (
    GAP_S,
    HALF_LIFE,
    PRIOR,
    SLIDE,
    WEIGHT,
    WINDOW,
    Stream,
    by_pane,
    current_session,
    decayed_count,
    decayed_mean,
    decayed_sum,
    decayed_vector,
    distinct,
    in_window,
    latest,
    mean,
    most_frequent,
    one_of,
    rate_ratio,
    session_seconds,
    share,
    since_last,
)
from engine_values import about, archived, value_of
from freshet.archive.read import connect
from freshet.archive.write import SCHEMA
from freshet.history import TIMESTAMP, training_set
from freshet.udfs.aggregates.aggregate import Event
from freshet.udfs.engine_spec import arithmetic
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.time_passed import value_now
from freshet.udfs.views import Aggregation, View

pytestmark = pytest.mark.flink

Definition = Callable[[Stream, int], Any]
VECTORS = {"a": (1.0, -2.5), "b": (0.0, 4.0)}  # "c" has none
DERIVED = (("taste", "ITEM_VECTOR(item_id)"), ("hour", "MOD(event_time / 3600000, 24)"), ("region", "context['geo']"))
WINDOWED = {"window_ms": WINDOW, "slide_ms": SLIDE}
SMOOTH = {"prior": PRIOR, "prior_weight": WEIGHT}
CLICK = "event_type = 'click'"


def feature(function: str, column: str, definition: Definition, **said: Any) -> tuple[Aggregation, Definition]:
    gives = "String" if said.pop("text", False) else FUNCTIONS[function].gives[0]
    return Aggregation(f"{function}_of_{column}_{len(str(said))}", function, column, gives, **said), definition


FEATURES = (
    feature("count", "event_id", lambda them, now: len(in_window(them, now)), **WINDOWED),
    feature("count", "region", lambda them, now: len(in_window(them, now)), where=CLICK, **WINDOWED),
    feature("sum", "value", lambda them, now: float(sum(in_window(them, now))), **WINDOWED),
    feature("mean", "value", lambda them, now: mean(in_window(them, now)), **WINDOWED),
    feature("min", "value", lambda them, now: min(in_window(them, now), default=None), **WINDOWED),
    feature("max", "value", lambda them, now: max(in_window(them, now), default=None), where=CLICK, **WINDOWED),
    feature(
        "stddev",
        "value",
        lambda them, now: stdev(in_window(them, now)) if len(in_window(them, now)) > 1 else None,
        **WINDOWED,
    ),
    feature(
        "rate",
        "event_id",
        lambda them, now: share(sum(in_window(them, now)), len(in_window(them, now))),
        hit=CLICK,
        **WINDOWED,
        **SMOOTH,
    ),
    feature("histogram", "item_id", by_pane, **WINDOWED),
    feature("count_distinct", "item_id", lambda them, now: len(set(in_window(them, now))), **WINDOWED),
    feature("approx_count_distinct", "item_id", lambda them, now: len(set(in_window(them, now))), **WINDOWED),
    feature("top_k", "item_id", lambda them, now: most_frequent(in_window(them, now), 2), n=2, **WINDOWED),
    feature("first", "item_id", lambda them, _: one_of(latest(them, len(them))[::-1]), text=True),
    feature("last", "region", lambda them, _: one_of(latest(them, 1)), text=True),
    feature("last", "value", lambda them, now: one_of(latest(them, 1, now - WINDOW)), window_ms=WINDOW),
    feature("last_n", "item_id", lambda them, _: latest(them, 3), n=3, where=CLICK),
    feature("last_n_distinct", "item_id", lambda them, now: distinct(them, 2, now - WINDOW), n=2, window_ms=WINDOW),
    feature("since_last", "event_id", since_last, where=CLICK),
    feature("ewma", "event_id", decayed_count, window_ms=HALF_LIFE),
    feature("ewma", "value", decayed_sum, window_ms=HALF_LIFE),
    feature("ewma_mean", "value", decayed_mean, window_ms=HALF_LIFE),
    feature(
        "ewma_rate",
        "event_id",
        lambda them, now: share(decayed_sum(them, now), decayed_count(them, now)),
        hit=CLICK,
        window_ms=HALF_LIFE,
        **SMOOTH,
    ),
    feature("ewma_vector", "taste", decayed_vector, window_ms=HALF_LIFE, n=2),
    feature(
        "trend",
        "event_id",
        lambda them, now: rate_ratio(them, now, SECOND, 24 * SECOND),
        window_ms=24 * SECOND,
        slide_ms=SECOND,
    ),
    feature(
        "session_count",
        "item_id",
        lambda them, now: sum(one.value is not None for one in current_session(them, now)),
        window_ms=GAP_S,
    ),
    feature("session_duration", "event_id", session_seconds, window_ms=GAP_S),
    feature(
        "session_depth",
        "item_id",
        lambda them, now: len({one.value for one in current_session(them, now)} - {None}),
        window_ms=GAP_S,
    ),
    feature(
        "session_items", "item_id", lambda them, now: distinct(current_session(them, now), 2), window_ms=GAP_S, n=2
    ),
)
VIEW = View("everything", ("subject",), tuple(one for one, _ in FEATURES), 0, DERIVED)

MOMENTS: st.SearchStrategy[Record] = st.builds(
    dict,
    event_time=st.integers(0, 40).map(lambda halves: NOON + halves * SECOND // 2)
    | st.integers(NOON, NOON + 20 * SECOND),
    event_type=st.sampled_from(("click", "view")),
    item_id=st.sampled_from(("a", "b", "c", None)),
    value=st.none() | st.integers(-9_999, 9_999).map(lambda cents: cents / 100),
    context=st.sampled_from(({}, {"geo": "north"}, {"geo": "south"})),
)
WAITS = st.sampled_from((0, 1, SECOND, 2 * SECOND, WINDOW - 1, WINDOW, WINDOW + SECOND, 60 * SECOND))


def test_every_function_is_here() -> None:
    assert {one.function for one in VIEW.features} == set(FUNCTIONS)
    assert len({one.name for one in VIEW.features}) == len(VIEW.features)


def an_event(number: int, moment: Record) -> Record:
    return dict.fromkeys(SCHEMA.names) | moment | {"event_id": f"e{number}", "subject": "u1", "source_offset": number}


def brings(one: Aggregation, event: Record) -> Any:
    """Return what the SQL must find in an event, said once more in Python."""
    found: Any = {
        "taste": VECTORS.get(event["item_id"]),
        "region": event["context"].get("geo"),
        "hour": float(event["event_time"] // 3_600_000 % 24),
    }.get(one.column, event.get(one.column))
    if found is None or (one.where == CLICK and event["event_type"] != "click"):
        return None
    if one.hit:
        return 1.0 if event["event_type"] == "click" else 0.0
    return (
        found
        if FUNCTIONS[one.function].takes in ("number", "text", "either", "vector") or one.column == "value"
        else 1.0
    )


class Online:
    """The engine's Java classes under one key, led by the engine's rules of time."""

    def __init__(self, jvm: Any) -> None:
        self._trials = [jvm.freshet.features.Trial(json.dumps(arithmetic(one))) for one in VIEW.features]
        self._newest = 0

    def add(self, event: Record) -> None:
        self._newest = max(self._newest, event["event_time"])
        for one, trial in zip(VIEW.features, self._trials, strict=True):
            value = brings(one, event)
            trial.add(list(value) if isinstance(value, tuple) else value, event["event_time"], event["source_offset"])

    def read(self, now: int) -> tuple[int, list[Any]]:
        """Return the instant of the last write up to `now`, and what a reader makes of that."""
        as_of = self._newest
        while (over := min(trial.expiry(as_of) for trial in self._trials)) <= now:
            as_of = over
        stored = [value_of(bytes(trial.value(as_of))) for trial in self._trials]
        return as_of, [value_now(one, value, as_of, now) for one, value in zip(VIEW.features, stored, strict=True)]


def trained(events: Sequence[Record], instants: Sequence[int]) -> list[list[Any]]:
    """Return the features of a training set at these instants, from an archive of these events."""
    with tempfile.TemporaryDirectory() as folder:
        archive, vectors = Path(folder) / "archive", Path(folder) / "vectors.json"
        archived(archive, list(events))
        lines = (json.dumps({"item_id": item, "vector": vector}) for item, vector in VECTORS.items())
        vectors.write_text("\n".join(lines))
        rows = pd.DataFrame({"subject": "u1", TIMESTAMP: pd.to_datetime(list(instants), unit="ms", utc=True)})
        with connect(str(archive), vectors) as connection:
            found = training_set(connection, [VIEW], rows).to_dict("records")
    return [[row[one.name] for one in VIEW.features] for row in found]


def defined(events: Sequence[Record], now: int) -> list[Any]:
    """Return what the features are by their definitions, as of an instant."""
    return [
        definition([Event(e["event_time"], brings(one, e), e["source_offset"]) for e in events], now)
        for one, definition in FEATURES
    ]


@settings(max_examples=40)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=14), wait=WAITS, data=st.data())
def test_stream_definition_and_training_set_agree(
    jvm: Any, moments: list[Record], wait: int, data: st.DataObject
) -> None:
    events = [an_event(number, moment) for number, moment in enumerate(moments)]
    copies = data.draw(st.lists(st.sampled_from(events), max_size=3))
    instant = data.draw(st.sampled_from(events))["event_time"]
    newest = max(event["event_time"] for event in events)
    then, now = trained(data.draw(st.permutations([*events, *copies])), [instant, newest + wait])

    had_happened, later = Online(jvm), Online(jvm)
    for event in events:
        later.add(event)
        if event["event_time"] <= instant:
            had_happened.add(event)

    as_of, online = had_happened.read(instant)
    assert as_of == instant
    right = defined([event for event in events if event["event_time"] <= instant], instant)
    named = [one.name for one in VIEW.features]
    assert dict(zip(named, online, strict=True)) == dict(zip(named, map(about, right), strict=True))
    assert dict(zip(named, then, strict=True)) == dict(zip(named, map(about, right), strict=True))

    as_of, online = later.read(newest + wait)
    stored = defined(events, as_of)
    right = [value_now(one, value, as_of, newest + wait) for one, value in zip(VIEW.features, stored, strict=True)]
    assert dict(zip(named, online, strict=True)) == dict(zip(named, map(about, right), strict=True))
    assert dict(zip(named, now, strict=True)) == dict(zip(named, map(about, right), strict=True))
