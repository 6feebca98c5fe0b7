"""A value that was stored and read later is the value of the time of reading, as far as it says it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import SECOND, streams
from freshet.udfs.aggregates.aggregate import state_after
from freshet.udfs.aggregates.declared import AGGREGATES, aggregate_of
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.time_passed import empty, is_over, value_now
from freshet.udfs.views import Aggregation

NUMBERS = st.floats(-1e3, 1e3).map(lambda amount: round(amount, 3))
TAKES: dict[str, st.SearchStrategy[Any]] = {
    "event": st.just(1.0),
    "number": NUMBERS,
    "hit": st.sampled_from((0.0, 1.0)),
    "text": st.sampled_from("abc"),
}
TAKES["vector"] = st.tuples(NUMBERS, NUMBERS, NUMBERS)


def a_feature(function: str) -> Aggregation:
    windows = {"window": (5, 1), "half_life": (3, 0), "half_lives": (24, 1), "gap": (10, 0), "latest": (4, 0)}
    window, slide = windows.get(FUNCTIONS[function].time, (0, 0))
    return Aggregation(
        "f",
        function,
        "c",
        FUNCTIONS[function].gives[0],
        window * SECOND,
        slide * SECOND,
        n=3,
        prior=0.2,
        prior_weight=2.0,
    )


@pytest.mark.parametrize("function", FUNCTIONS)
@given(data=st.data())
def test_what_is_over_is_empty_and_stays_so(function: str, data: st.DataObject) -> None:
    feature = a_feature(function)
    events = data.draw(streams(TAKES.get(FUNCTIONS[function].takes, NUMBERS)).filter(len))
    aggregate, as_of = aggregate_of(feature), max(event.time for event in events)
    state, now = state_after(aggregate, events), as_of + data.draw(st.integers(0, 60 * SECOND))
    stored, right = aggregate.result(state, as_of), aggregate.result(state, now)
    read: Any = value_now(feature, stored, as_of, now)
    if is_over(feature, as_of, now):
        assert read == right == empty(feature) or stored is None
    elif stored is not None and function in ("ewma", "since_last", "ewma_mean", "ewma_vector"):
        assert read == pytest.approx(right, rel=1e-9, abs=1e-9)
    else:
        assert read == stored


def test_a_value_newer_than_the_reading_is_left_alone() -> None:
    assert value_now(a_feature("ewma"), 8.0, as_of=10, now=5) == 8.0


def test_every_function_of_the_specification_can_be_declared() -> None:
    assert set(AGGREGATES) == set(FUNCTIONS)
