"""The Java classes compute what the Python specification says, event by event, whatever the order."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import SECOND, streams
from freshet.udfs.aggregates.aggregate import Event, state_after
from freshet.udfs.aggregates.declared import aggregate_of
from freshet.udfs.view_sql import EXPRESSIONS, FUNCTIONS
from freshet.udfs.views import Aggregation

pytestmark = pytest.mark.flink

AMOUNTS = st.floats(-1e6, 1e6)
TEXTS = st.sampled_from(("a", "b", "ж", "🛒", ""))


@dataclass(frozen=True)
class Case:
    """A feature, the values that it takes, and the arguments that the SQL passes to Java for one event."""

    feature: Aggregation
    values: st.SearchStrategy[Any]
    arguments: Callable[[Event[Any]], tuple[Any, ...]]

    def in_java(self, jvm: Any, events: list[Event[Any]]) -> Any:
        package, _, name = FUNCTIONS[f"freshet_{self.feature.function}"].rpartition(".")
        assert package == "freshet.udfs"
        function = getattr(jvm.freshet.udfs, name)()
        accumulator = function.createAccumulator()
        for event in events:
            function.accumulate(accumulator, *self.arguments(event))
        value = function.getValue(accumulator)
        return list(value) if self.feature.function.startswith("last_n") else value

    def in_python(self, events: list[Event[Any]]) -> Any:
        aggregate = aggregate_of(self.feature)
        return aggregate.result(state_after(aggregate, events))


def a_feature(function: str, **changes: Any) -> Aggregation:
    return Aggregation("f", function, "c", "", **changes)


CASES = (
    Case(
        a_feature("count", window_ms=5 * SECOND, slide_ms=SECOND),
        TEXTS,
        lambda event: (event.value is not None, event.time, 5 * SECOND, SECOND),
    ),
    Case(
        a_feature("sum", window_ms=5 * SECOND, slide_ms=SECOND),
        AMOUNTS,
        lambda event: (event.value, event.time, 5 * SECOND, SECOND),
    ),
    Case(
        a_feature("ewma", window_ms=3 * SECOND),
        AMOUNTS,
        lambda event: (event.value, event.time, 3 * SECOND),
    ),
    Case(
        a_feature("trend", window_ms=24 * SECOND, slide_ms=SECOND),
        st.just(1.0),
        lambda event: (event.value, event.time, SECOND, 24 * SECOND),
    ),
    Case(
        a_feature("last_n", n=5),
        TEXTS,
        lambda event: (event.value, event.time, event.position, 5),
    ),
    Case(
        a_feature("last_n_distinct", n=3),
        TEXTS,
        lambda event: (event.value, event.time, event.position, 3),
    ),
    Case(
        a_feature("session_count", window_ms=2 * SECOND),
        TEXTS,
        lambda event: (event.value is not None, event.time, 2 * SECOND),
    ),
    Case(
        a_feature("session_duration", window_ms=2 * SECOND),
        TEXTS,
        lambda event: (event.time, 2 * SECOND),
    ),
)

each = pytest.mark.parametrize("case", CASES, ids=[case.feature.function for case in CASES])


def about(expected: Any, events: list[Event[Any]]) -> Any:
    """Return what equals `expected` but for rounding, which large amounts that cancel out leave behind."""
    if not isinstance(expected, float):
        return expected
    amounts = sum(abs(event.value) for event in events if isinstance(event.value, float))
    return pytest.approx(expected, rel=1e-9, abs=1e-12 * amounts)


def test_every_java_aggregate_is_compared() -> None:
    assert {case.feature.function for case in CASES} == set(EXPRESSIONS)
    assert {f"freshet_{case.feature.function}" for case in CASES} | {"freshet_row"} == set(FUNCTIONS)


@each
@settings(max_examples=40)
@given(data=st.data())
def test_java_equals_python_in_any_order_of_arrival(jvm: Any, case: Case, data: st.DataObject) -> None:
    events = data.draw(streams(case.values, longest=25))
    assert case.in_java(jvm, events) == about(case.in_python(events), events)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES[-2:], ids=["session_count", "session_duration"])
def test_java_forgets_what_python_forgets(jvm: Any, case: Case, seed: int) -> None:
    """Sessions longer than what is kept, shuffled: here both leave events out, and must leave out the same ones."""
    events = [Event(time, "e", time) for time in range(0, 120 * SECOND, 2 * SECOND - 1 - seed)]
    random.Random(seed).shuffle(events)
    assert case.in_java(jvm, events) == case.in_python(events)


@pytest.mark.parametrize("half_lives", range(1_070, 1_080))
def test_a_rate_that_all_but_vanished_is_no_trend_in_java_either(jvm: Any, half_lives: int) -> None:
    case = Case(
        a_feature("trend", window_ms=3600 * SECOND, slide_ms=SECOND),
        st.just(1.0),
        lambda event: (event.value, event.time, SECOND, 3600 * SECOND),
    )
    assert case.in_java(jvm, [Event(0, 1.0), Event(half_lives * 3600 * SECOND, None)]) == 0.0
