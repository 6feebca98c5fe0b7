"""The Java classes compute what the Python specification says, event by event, whatever the order."""

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import SECOND, streams
from engine_values import value_of
from freshet.udfs.aggregates.aggregate import Event, state_after
from freshet.udfs.aggregates.declared import AGGREGATES, aggregate_of
from freshet.udfs.engine_spec import arithmetic
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.views import Aggregation

pytestmark = pytest.mark.flink

AMOUNTS = st.floats(-1e6, 1e6).map(lambda amount: round(amount, 3))
ONES = st.just(1.0)
HITS = st.sampled_from((0.0, 1.0))
TEXTS = st.sampled_from(("a", "b", "ж", "🛒", "\uffff", ""))
MANY = st.integers(0, 2_000).map(str)
VECTORS = st.lists(AMOUNTS, min_size=3, max_size=3).map(tuple)

WINDOW: dict[str, Any] = {"window_ms": 5 * SECOND, "slide_ms": SECOND}
HALF_LIFE = {"window_ms": 3 * SECOND}
PRIOR = {"prior": 0.25, "prior_weight": 4.0}


@dataclass(frozen=True)
class Case:
    """A feature and the values that it takes."""

    feature: Aggregation
    values: st.SearchStrategy[Any]

    def __str__(self) -> str:
        return self.feature.function


def case(function: str, values: st.SearchStrategy[Any], **settings: Any) -> Case:
    return Case(Aggregation("f", function, "c", "", **settings), values)


CASES = (
    case("count", ONES, **WINDOW),
    case("sum", AMOUNTS, **WINDOW),
    case("mean", AMOUNTS, **WINDOW),
    case("min", AMOUNTS, **WINDOW),
    case("max", AMOUNTS, **WINDOW),
    case("stddev", AMOUNTS, **WINDOW),
    case("rate", HITS, **WINDOW, **PRIOR),
    case("rate", HITS, **WINDOW),
    case("histogram", ONES, **WINDOW),
    case("count_distinct", TEXTS, **WINDOW),
    case("approx_count_distinct", TEXTS, **WINDOW),
    case("top_k", TEXTS, **WINDOW, n=2),
    case("first", TEXTS),
    case("last", AMOUNTS),
    case("last", TEXTS, window_ms=4 * SECOND),
    case("last_n", TEXTS, n=5),
    case("last_n", TEXTS, n=3, window_ms=4 * SECOND),
    case("last_n_distinct", TEXTS, n=3),
    case("last_n_distinct", TEXTS, n=3, window_ms=4 * SECOND),
    case("since_last", ONES),
    case("ewma", AMOUNTS, **HALF_LIFE),
    case("ewma_mean", AMOUNTS, **HALF_LIFE),
    case("ewma_rate", HITS, **HALF_LIFE, **PRIOR),
    case("ewma_rate", HITS, **HALF_LIFE),
    case("ewma_vector", VECTORS, **HALF_LIFE, n=3),
    case("trend", ONES, window_ms=24 * SECOND, slide_ms=SECOND),
    case("session_count", ONES, window_ms=10 * SECOND),
    case("session_duration", ONES, window_ms=10 * SECOND),
    case("session_depth", TEXTS, window_ms=10 * SECOND),
    case("session_items", TEXTS, window_ms=10 * SECOND, n=3),
)


def test_every_function_is_tried() -> None:
    assert {one.feature.function for one in CASES} == set(AGGREGATES)
    assert set(FUNCTIONS) <= set(AGGREGATES)


def in_java(jvm: Any, feature: Aggregation, events: list[Event[Any]], *, reload: bool = False) -> Any:
    trial = jvm.freshet.features.Trial(json.dumps(arithmetic(feature)))
    for event in events:
        value = list(event.value) if isinstance(event.value, tuple) else event.value
        trial.add(value, event.time, event.position)
        if reload:
            trial.reload()
    return trial


def about(value: Any, events: list[Event[Any]]) -> Any:
    """Sums in another order differ in the last digits of their summands, not of their result."""
    largest = max((abs(one) for event in events for one in numbers(event.value)), default=1.0)
    if isinstance(value, (list, tuple)):
        return [about(one, events) for one in value]
    return pytest.approx(value, rel=1e-9, abs=1e-9 * max(1.0, largest)) if isinstance(value, float) else value


def numbers(value: Any) -> list[float]:
    return [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, float)]


@pytest.mark.parametrize("one", CASES, ids=str)
@settings(max_examples=25)
@given(data=st.data())
def test_java_says_what_the_specification_says(jvm: Any, one: Case, data: st.DataObject) -> None:
    events = data.draw(streams(one.values))
    aggregate, trial = aggregate_of(one.feature), in_java(jvm, one.feature, events)
    state = state_after(aggregate, events)
    newest = max((event.time for event in events), default=0)
    now = newest + data.draw(st.sampled_from((0, 1, SECOND, 4 * SECOND, 5 * SECOND, 11 * SECOND, 100 * SECOND)))
    assert value_of(trial.value(now)) == about(aggregate.result(state, now), events)
    expiry = trial.expiry(now)
    assert (None if expiry == 2**63 - 1 else expiry) == aggregate.expiry(state, now)


@pytest.mark.parametrize("one", CASES, ids=str)
@settings(max_examples=5)
@given(data=st.data())
def test_a_state_that_was_written_and_read_goes_on_as_if_it_had_not_been(
    jvm: Any, one: Case, data: st.DataObject
) -> None:
    events = data.draw(streams(one.values, longest=15))
    now = max((event.time for event in events), default=0)
    through_bytes = in_java(jvm, one.feature, events, reload=True)
    assert bytes(through_bytes.value(now)) == bytes(in_java(jvm, one.feature, events).value(now))


@pytest.mark.parametrize("values", [300, 5_000])
def test_a_sketch_of_many_values_is_the_specifications(jvm: Any, values: int) -> None:
    """More than the sketch keeps, so that it forgets, and over more panes than the window has."""
    feature = Aggregation("f", "approx_count_distinct", "c", "Int64", **WINDOW)
    events = [Event((number * 7_919) % (8 * SECOND), str(number % values), number) for number in range(2 * values)]
    aggregate, trial = aggregate_of(feature), in_java(jvm, feature, events)
    now = max(event.time for event in events)
    found = value_of(trial.value(now))
    assert found == aggregate.result(state_after(aggregate, events), now)
    assert math.isclose(
        found, len({e.value for e in events if e.time >= now // SECOND * SECOND - 4 * SECOND}), rel_tol=0.2
    )
