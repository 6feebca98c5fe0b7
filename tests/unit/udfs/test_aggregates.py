"""Every aggregate equals its definition over the full list of events, at any instant after them, and obeys the same laws."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import stdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import SECOND, hours, minutes, seconds, streams
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
from freshet.udfs.aggregates.aggregate import Aggregate, Event, state_after
from freshet.udfs.aggregates.declared import AGGREGATES, aggregate_of
from freshet.udfs.aggregates.distinct import ApproxCountDistinct
from freshet.udfs.aggregates.ewma import Ewma
from freshet.udfs.aggregates.latest import LastN, LastNDistinct
from freshet.udfs.aggregates.sessions import KEPT_GAPS, SessionCount, SessionDuration
from freshet.udfs.aggregates.trend import Trend
from freshet.udfs.aggregates.windows import Count, Sum
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.views import Aggregation

AMOUNTS = st.floats(-1e6, 1e6).map(lambda amount: round(amount, 3))
ONES = st.just(1.0)
HITS = st.sampled_from((0.0, 1.0))
TEXTS = st.sampled_from(("a", "b", "c", "ж"))
VECTORS = st.tuples(AMOUNTS, AMOUNTS)


# ---- Each aggregate beside its definition ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A declared feature, the values that it takes, and what it must give at an instant."""

    feature: Aggregation
    values: st.SearchStrategy[Any]
    definition: Callable[[Stream, int], Any]

    @property
    def aggregate(self) -> Aggregate[Any, Any, Any]:
        return aggregate_of(self.feature)

    def after(self, events: Stream, now: int) -> Any:
        return self.aggregate.result(state_after(self.aggregate, events), now)


def case(function: str, values: st.SearchStrategy[Any], definition: Callable[[Stream, int], Any], **said: Any) -> Case:
    time = FUNCTIONS[function].time if function in FUNCTIONS else "half_life"
    windows = {"window": (WINDOW, SLIDE), "half_life": (HALF_LIFE, 0), "half_lives": (24 * SECOND, SECOND)}
    window, slide = windows.get(time, (GAP_S if time == "gap" else 0, 0))
    declared = {"window_ms": window, "slide_ms": slide} | said
    return Case(Aggregation("f", function, "c", "", **declared), values, definition)


SMOOTH = {"prior": PRIOR, "prior_weight": WEIGHT}

CASES = (
    case("count", TEXTS, lambda them, now: len(in_window(them, now))),
    case("sum", AMOUNTS, lambda them, now: math.fsum(in_window(them, now))),
    case("mean", AMOUNTS, lambda them, now: mean(in_window(them, now))),
    case("min", AMOUNTS, lambda them, now: min(in_window(them, now), default=None)),
    case("max", AMOUNTS, lambda them, now: max(in_window(them, now), default=None)),
    case("stddev", AMOUNTS, lambda them, now: stdev(kept) if len(kept := in_window(them, now)) > 1 else None),
    case("rate", HITS, lambda them, now: share(sum(in_window(them, now)), len(in_window(them, now))), **SMOOTH),
    case("rate", HITS, lambda them, now: mean(in_window(them, now))),
    case("histogram", TEXTS, by_pane),
    case("count_distinct", TEXTS, lambda them, now: len(set(in_window(them, now)))),
    case("approx_count_distinct", TEXTS, lambda them, now: len(set(in_window(them, now)))),
    case("top_k", TEXTS, lambda them, now: most_frequent(in_window(them, now), 2), n=2),
    case("first", TEXTS, lambda them, _: one_of(latest(them, len(them))[::-1])),
    case("first", AMOUNTS, lambda them, _: one_of(latest(them, len(them))[::-1])),
    case("last", AMOUNTS, lambda them, _: one_of(latest(them, 1))),
    case("last", TEXTS, lambda them, now: one_of(latest(them, 1, now - 4 * SECOND)), window_ms=4 * SECOND),
    case("last_n", TEXTS, lambda them, _: latest(them, 5), n=5),
    case("last_n", TEXTS, lambda them, now: latest(them, 5, now - 4 * SECOND), n=5, window_ms=4 * SECOND),
    case("last_n_distinct", TEXTS, lambda them, _: distinct(them, 3), n=3),
    case("last_n_distinct", TEXTS, lambda them, now: distinct(them, 3, now - 4 * SECOND), n=3, window_ms=4 * SECOND),
    case("since_last", TEXTS, since_last),
    case("ewma", AMOUNTS, decayed_sum),
    case("ewma_mean", AMOUNTS, decayed_mean),
    case("ewma_rate", HITS, lambda them, now: share(decayed_sum(them, now), decayed_count(them, now)), **SMOOTH),
    case("ewma_vector", VECTORS, decayed_vector, n=2),
    case("trend", ONES, lambda them, now: rate_ratio(them, now, SECOND, 24 * SECOND)),
    case("session_count", TEXTS, lambda them, now: sum(e.value is not None for e in current_session(them, now))),
    case("session_duration", TEXTS, session_seconds),
    case("session_depth", TEXTS, lambda them, now: len({e.value for e in current_session(them, now)} - {None})),
    case("session_items", TEXTS, lambda them, now: distinct(current_session(them, now), 3), n=3),
)

each = pytest.mark.parametrize("case", CASES, ids=[case.feature.function for case in CASES])
few = settings(max_examples=30)

WAITS = st.sampled_from((0, 1, 999, SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND, 6 * SECOND, 60 * SECOND))
"""From the newest event to the instant of asking, often where a window or a session is over."""


def newest_of(events: Stream) -> int:
    return max((event.time for event in events), default=0)


def about(expected: Any, events: Stream) -> Any:
    """Return what equals `expected` but for rounding, which large amounts that cancel out leave behind."""
    if isinstance(expected, list):
        return [about(one, events) for one in expected]
    if not isinstance(expected, float):
        return expected
    values = [one for event in events for one in (event.value if isinstance(event.value, tuple) else (event.value,))]
    amounts = sum(abs(value) for value in values if isinstance(value, float))
    return pytest.approx(expected, rel=1e-9, abs=1e-9 + 1e-11 * amounts)


def as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_every_function_of_the_engine_has_a_specification_and_a_definition() -> None:
    assert set(AGGREGATES) == {case.feature.function for case in CASES}
    assert set(FUNCTIONS) <= set(AGGREGATES)


@each
@given(data=st.data())
def test_it_equals_its_definition_in_any_order_of_arrival(case: Case, data: st.DataObject) -> None:
    events = data.draw(streams(case.values))
    now = newest_of(events) + data.draw(WAITS)
    assert as_list(case.after(events, now)) == about(case.definition(events, now), events)


@each
@few
@given(data=st.data())
def test_every_prefix_has_a_value_too(case: Case, data: st.DataObject) -> None:
    """What is written after each event is the definition over the events so far."""
    events = data.draw(streams(case.values, longest=12))
    state = case.aggregate.zero()
    for length, event in enumerate(events, start=1):
        state, now = case.aggregate.add(state, event), newest_of(events[:length])
        found = as_list(case.aggregate.result(state, now))
        assert found == about(case.definition(events[:length], now), events)


@each
@few
@given(data=st.data())
def test_at_its_expiry_a_value_is_empty_and_not_before(case: Case, data: st.DataObject) -> None:
    events = data.draw(streams(case.values))
    now = newest_of(events) + data.draw(WAITS)
    state = state_after(case.aggregate, events)
    expiry, nothing = case.aggregate.expiry(state, now), case.definition([], now)
    if expiry is None:
        return
    assert expiry > now
    assert as_list(case.aggregate.result(state, expiry)) == about(case.definition([], expiry), events)
    assert case.definition(events, expiry) == case.definition([], expiry)
    # One before it something is left, though that may have the value of nothing: a sum of 0, a session of one instant.
    assert case.aggregate.expiry(state, expiry - 1) == expiry
    assert case.aggregate.expiry(state, expiry) is None
    if case.feature.function in ("count", "mean", "min", "max", "count_distinct", "top_k", "last", "last_n"):
        assert as_list(case.aggregate.result(state, expiry - 1)) != nothing


@each
@few
@given(data=st.data())
def test_zero_changes_nothing(case: Case, data: st.DataObject) -> None:
    state, zero = state_after(case.aggregate, data.draw(streams(case.values))), case.aggregate.zero()
    assert case.aggregate.merge(zero, state) == state == case.aggregate.merge(state, zero)


@each
@few
@given(data=st.data())
def test_parts_joined_in_any_order_and_grouping_equal_the_whole(case: Case, data: st.DataObject) -> None:
    events = data.draw(streams(case.values))
    first, second = sorted(data.draw(st.tuples(st.integers(0, len(events)), st.integers(0, len(events)))))
    now = newest_of(events) + data.draw(WAITS)
    a, b, c = (state_after(case.aggregate, part) for part in (events[:first], events[first:second], events[second:]))
    merge = case.aggregate.merge
    whole = about(as_list(case.after(events, now)), events)
    for joined in (merge(merge(a, b), c), merge(a, merge(b, c)), merge(c, merge(b, a))):
        assert as_list(case.aggregate.result(joined, now)) == whole


@each
@few
@given(data=st.data())
def test_a_state_is_plain_tuples_of_plain_values(case: Case, data: st.DataObject) -> None:
    """Nothing in it ties it to a class of ours, so it could be stored anywhere."""

    def plain(part: Any) -> bool:
        return all(map(plain, part)) if isinstance(part, tuple) else isinstance(part, (int, float, str, type(None)))

    assert plain(state_after(case.aggregate, data.draw(streams(case.values))))


@pytest.mark.parametrize("different", [255, 1_000, 20_000])
def test_a_sketch_is_near_the_count_and_its_state_is_small(different: int) -> None:
    """Exact below 256; above it the standard error is 6 %."""
    sketch = ApproxCountDistinct(WINDOW, SLIDE)
    events = [Event(number % WINDOW, f"value {number}", number) for number in range(different)]
    state = state_after(sketch, events)
    assert sketch.result(state, WINDOW - 1) == (different if different < 256 else pytest.approx(different, rel=0.2))


# ---- What single aggregates promise besides -------------------------------------------------------------------------


def test_an_event_on_the_windows_edge_counts_until_its_pane_leaves() -> None:
    count = Count(minutes(5), minutes(1))
    first = count.add(count.zero(), Event(0, "e"))
    assert count.result(count.add(first, Event(minutes(5) - 1, "e")), minutes(5) - 1) == 2
    assert count.result(count.add(first, Event(minutes(5), "e")), minutes(5)) == 1


def test_a_sum_of_nothing_is_a_float() -> None:
    assert isinstance(Sum(5, 1).result(Sum(5, 1).zero(), 0), float)


def test_a_true_sum_of_zero_keeps_its_past() -> None:
    """Zero is a value; only an unset time means that nothing has come yet."""
    ewma = Ewma(half_life_ms=1_000)
    balanced = state_after(ewma, [Event(1_000, 1.0), Event(1_000, -1.0)])
    assert ewma.result(ewma.add(balanced, Event(0, 1.0)), 1_000) == 0.5


@pytest.mark.parametrize("years", [1, 100, 100_000])
@pytest.mark.parametrize("aggregate", [Ewma(1_000), Trend(1_000, 24_000)])
def test_decay_over_any_age_neither_overflows_nor_divides_by_zero(
    aggregate: Aggregate[float, Any, float], years: int
) -> None:
    assert aggregate.result(state_after(aggregate, [Event(0, 1e300)]), years * 365 * hours(24)) == 0.0


@pytest.mark.parametrize("half_lives", range(1_070, 1_080))
def test_a_rate_that_all_but_vanished_is_no_trend(half_lives: int) -> None:
    """Sums pass through the smallest numbers that there are on their way to zero."""
    trend = Trend(short_half_life_ms=1_000, long_half_life_ms=hours(1))
    assert trend.result(state_after(trend, [Event(0, 1.0)]), half_lives * hours(1)) == 0.0


def test_a_steady_stream_has_a_trend_of_one() -> None:
    events = [Event(time, 1.0) for time in range(0, hours(24) * 20, minutes(1))]
    trend = Trend(short_half_life_ms=hours(1), long_half_life_ms=hours(24))
    assert trend.result(state_after(trend, events), events[-1].time) == pytest.approx(1.0, abs=0.01)


GAP = 10 * SECOND
LONG_SESSION = [Event(time, "e", time) for time in range(0, 120 * GAP, GAP - 1)]


@few
@given(st.data())
def test_a_session_of_any_length_is_exact_while_no_event_is_47_gaps_late(data: st.DataObject) -> None:
    delay = st.integers(0, (KEPT_GAPS - 1) * GAP)
    lags = data.draw(st.lists(delay, min_size=len(LONG_SESSION), max_size=len(LONG_SESSION)))
    pairs = zip(LONG_SESSION, lags, strict=True)
    events = [event for event, lag in sorted(pairs, key=lambda pair: pair[0].time + pair[1])]
    now = newest_of(events)
    assert SessionCount(GAP).result(state_after(SessionCount(GAP), events), now) == len(LONG_SESSION)
    assert SessionDuration(GAP).result(state_after(SessionDuration(GAP), events), now) == session_seconds(
        events, now, GAP
    )


def test_47_gaps_is_the_bound() -> None:
    """An event that is later still can come too late to join the newest session to a part that has been forgotten."""
    newest = 100 * GAP
    forgotten = newest - KEPT_GAPS * GAP - 1
    session = [Event(time, "e", time) for time in range(forgotten + GAP + SECOND, newest, GAP - 1)] + [
        Event(newest, "e")
    ]
    bridge = Event(forgotten + GAP - 1, "e")
    in_order = sorted([Event(forgotten, "e"), bridge, *session], key=lambda event: event.time)
    count = SessionCount(GAP)
    assert count.result(state_after(count, in_order), newest) == len(in_order)
    assert count.result(state_after(count, [Event(forgotten, "e"), *session, bridge]), newest) == len(in_order) - 1


def test_forgotten_sessions_leave_the_state_small() -> None:
    days = [Event(time, "e") for time in range(0, 30 * hours(24), hours(1))]
    assert len(state_after(SessionCount(minutes(30)), days)) <= KEPT_GAPS + 1


def test_events_a_gap_apart_are_of_two_sessions() -> None:
    count = SessionCount(gap_ms=seconds(30))
    apart = [Event(0, "e"), Event(seconds(30), "e")]
    assert count.result(state_after(count, apart), seconds(30)) == 1
    assert count.result(state_after(count, [*apart, Event(1, "e")]), seconds(30)) == 3


@pytest.mark.parametrize(
    ("feature", "aggregate"),
    [
        (Aggregation("f", "count", "event_id", "Int64", window_ms=60, slide_ms=20), Count(60, 20)),
        (Aggregation("f", "trend", "event_id", "Float64", window_ms=60, slide_ms=20), Trend(20, 60)),
        (Aggregation("f", "last_n", "item_id", "Array(String)", n=3), LastN(3, 0)),
        (Aggregation("f", "last_n_distinct", "item_id", "Array(String)", n=3), LastNDistinct(3, 0)),
        (Aggregation("f", "session_duration", "event_time", "Float64", window_ms=60), SessionDuration(60)),
    ],
    ids=lambda part: getattr(part, "function", ""),
)
def test_a_declared_feature_has_its_windows_in_the_right_places(feature: Aggregation, aggregate: object) -> None:
    assert aggregate_of(feature) == aggregate
