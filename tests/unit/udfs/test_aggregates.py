"""Every aggregate equals its definition over the full list of events, and obeys the same laws."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import SECOND, hours, minutes, seconds, streams
from freshet.udfs.aggregates.aggregate import Aggregate, Event, state_after
from freshet.udfs.aggregates.declared import AGGREGATES, aggregate_of
from freshet.udfs.aggregates.ewma import Ewma
from freshet.udfs.aggregates.last_n import LastN, LastNDistinct
from freshet.udfs.aggregates.sessions import KEPT_GAPS, SessionCount, SessionDuration
from freshet.udfs.aggregates.trend import Trend
from freshet.udfs.aggregates.windows import WindowCount, WindowSum
from freshet.udfs.view_sql import EXPRESSIONS
from freshet.udfs.views import Aggregation

Stream = Sequence[Event[Any]]

AMOUNTS = st.floats(-1e6, 1e6)
ONES = st.just(1.0)
TEXTS = st.sampled_from(("a", "b", "c", "ж"))

# ---- The definitions: slow, and over all events at once -------------------------------------------------------------


def in_window(events: Stream, window: int, slide: int) -> list[Any]:
    """Return the values of the events whose pane is within the newest window / slide panes."""
    newest = max((event.time // slide for event in events), default=0)
    kept = [event for event in events if newest - event.time // slide < window // slide]
    return [event.value for event in kept if event.value is not None]


def decayed_sum(events: Stream, half_life: int) -> float:
    newest = max((event.time for event in events), default=0)
    return math.fsum((event.value or 0.0) * 2 ** (-(newest - event.time) / half_life) for event in events)


def rate_ratio(events: Stream, short: int, long: int) -> float:
    usual = decayed_sum(events, long) / long
    return decayed_sum(events, short) / short / usual if usual else 0.0


def latest(events: Stream, n: int) -> list[str]:
    ordered = sorted(events, key=lambda event: (event.time, event.position), reverse=True)
    return [event.value for event in ordered if event.value is not None][:n]


def distinct(events: Stream, n: int) -> list[str]:
    return list(dict.fromkeys(latest(events, len(events))))[:n]


def current_session(events: Stream, gap: int) -> list[Event[Any]]:
    """Return the longest run back from the latest event in which neighbours are less than a gap apart, newest first."""
    newest_first = sorted(events, key=lambda event: event.time, reverse=True)
    breaks = (one.time - next_one.time < gap for one, next_one in pairwise(newest_first))
    return newest_first[: 1 + len(list(takewhile(bool, breaks)))]


def session_count(events: Stream, gap: int) -> int:
    return sum(event.value is not None for event in current_session(events, gap))


def session_seconds(events: Stream, gap: int) -> float:
    times = [event.time for event in current_session(events, gap)]
    return (max(times) - min(times)) / 1000 if times else 0.0


# ---- Each aggregate beside its definition ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An aggregate, the values that it takes, and what it must give."""

    function: str
    aggregate: Aggregate[Any, Any, Any]
    values: st.SearchStrategy[Any]
    definition: Callable[[Stream], Any]

    def after(self, events: Stream) -> Any:
        return self.aggregate.result(state_after(self.aggregate, events))


CASES = (
    Case("count", WindowCount(5 * SECOND, SECOND), TEXTS, lambda them: len(in_window(them, 5 * SECOND, SECOND))),
    Case("sum", WindowSum(5 * SECOND, SECOND), AMOUNTS, lambda them: math.fsum(in_window(them, 5 * SECOND, SECOND))),
    Case("ewma", Ewma(3 * SECOND), AMOUNTS, lambda them: decayed_sum(them, 3 * SECOND)),
    Case("trend", Trend(SECOND, 24 * SECOND), ONES, lambda them: rate_ratio(them, SECOND, 24 * SECOND)),
    Case("last_n", LastN(5), TEXTS, lambda them: latest(them, 5)),
    Case("last_n_distinct", LastNDistinct(3), TEXTS, lambda them: distinct(them, 3)),
    Case("session_count", SessionCount(2 * SECOND), TEXTS, lambda them: session_count(them, 2 * SECOND)),
    Case("session_duration", SessionDuration(2 * SECOND), TEXTS, lambda them: session_seconds(them, 2 * SECOND)),
)

each = pytest.mark.parametrize("case", CASES, ids=[case.function for case in CASES])


few = settings(max_examples=30)


def about(expected: Any, events: Stream) -> Any:
    """Return what equals `expected` but for rounding, which large amounts that cancel out leave behind."""
    if not isinstance(expected, float):
        return expected
    amounts = sum(abs(event.value) for event in events if isinstance(event.value, float))
    return pytest.approx(expected, rel=1e-9, abs=1e-12 * amounts)


def test_every_function_of_the_engine_has_a_specification_and_a_definition() -> None:
    assert set(AGGREGATES) == set(EXPRESSIONS) == {case.function for case in CASES}


@each
@given(data=st.data())
def test_it_equals_its_definition_in_any_order_of_arrival(case: Case, data: st.DataObject) -> None:
    events = data.draw(streams(case.values))
    assert case.after(events) == about(case.definition(events), events)


@each
@few
@given(data=st.data())
def test_every_prefix_has_a_value_too(case: Case, data: st.DataObject) -> None:
    """What is written after each event is the definition over the events so far."""
    events = data.draw(streams(case.values, longest=12))
    state = case.aggregate.zero()
    for length, event in enumerate(events, start=1):
        state = case.aggregate.add(state, event)
        assert case.aggregate.result(state) == about(case.definition(events[:length]), events)


@each
@few
@given(data=st.data())
def test_zero_changes_nothing(case: Case, data: st.DataObject) -> None:
    state, zero = state_after(case.aggregate, data.draw(streams(case.values))), case.aggregate.zero()
    assert case.aggregate.merge(zero, state) == state == case.aggregate.merge(state, zero)


@each
@few
@given(data=st.data())
def test_adding_is_merging_with_one_event(case: Case, data: st.DataObject) -> None:
    events = data.draw(streams(case.values).filter(bool))
    before, single = state_after(case.aggregate, events[:-1]), state_after(case.aggregate, events[-1:])
    assert case.aggregate.merge(before, single) == case.aggregate.add(before, events[-1])


@each
@few
@given(data=st.data())
def test_merge_does_not_care_which_comes_first(case: Case, data: st.DataObject) -> None:
    events = data.draw(streams(case.values))
    at = data.draw(st.integers(0, len(events)))
    one, other = state_after(case.aggregate, events[:at]), state_after(case.aggregate, events[at:])
    assert case.aggregate.merge(one, other) == case.aggregate.merge(other, one)


@each
@few
@given(data=st.data())
def test_parts_joined_in_any_grouping_equal_the_whole(case: Case, data: st.DataObject) -> None:
    events = data.draw(streams(case.values))
    first, second = sorted(data.draw(st.tuples(st.integers(0, len(events)), st.integers(0, len(events)))))
    parts = (events[:first], events[first:second], events[second:])
    a, b, c = (state_after(case.aggregate, part) for part in parts)
    merge, result = case.aggregate.merge, case.aggregate.result
    whole = about(case.after(events), events)
    assert result(merge(merge(a, b), c)) == whole
    assert result(merge(a, merge(b, c))) == whole


@each
@few
@given(data=st.data())
def test_a_state_is_plain_tuples_of_plain_values(case: Case, data: st.DataObject) -> None:
    """Nothing in it ties it to a class of ours, so it could be stored anywhere."""

    def plain(part: Any) -> bool:
        return all(map(plain, part)) if isinstance(part, tuple) else isinstance(part, (int, float, str, type(None)))

    assert plain(state_after(case.aggregate, data.draw(streams(case.values))))


# ---- What single aggregates promise besides -------------------------------------------------------------------------


def test_an_event_on_the_windows_edge_counts_until_its_pane_leaves() -> None:
    count = WindowCount(window_ms=minutes(5), slide_ms=minutes(1))
    first = count.add(count.zero(), Event(0, "e"))
    assert count.result(count.add(first, Event(minutes(5) - 1, "e"))) == 2
    assert count.result(count.add(first, Event(minutes(5), "e"))) == 1


def test_a_sum_of_nothing_is_a_float() -> None:
    assert isinstance(WindowSum(5, 1).result(WindowSum(5, 1).zero()), float)


def test_a_true_sum_of_zero_keeps_its_past() -> None:
    """Zero is a value; only an unset time means that nothing has come yet."""
    ewma = Ewma(half_life_ms=1_000)
    balanced = state_after(ewma, [Event(1_000, 1.0), Event(1_000, -1.0)])
    assert balanced.at == 1_000
    assert ewma.result(ewma.add(balanced, Event(0, 1.0))) == 0.5


@pytest.mark.parametrize("years", [1, 100, 100_000])
@pytest.mark.parametrize("aggregate", [Ewma(1_000), Trend(1_000, 24_000)])
def test_decay_over_any_age_neither_overflows_nor_divides_by_zero(
    aggregate: Aggregate[float, Any, float], years: int
) -> None:
    much_later: Event[float] = Event(years * 365 * hours(24), None)
    assert aggregate.result(state_after(aggregate, [Event(0, 1e300), much_later])) == 0.0


@pytest.mark.parametrize("half_lives", range(1_070, 1_080))
def test_a_rate_that_all_but_vanished_is_no_trend(half_lives: int) -> None:
    """Sums pass through the smallest numbers that there are on their way to zero."""
    trend = Trend(short_half_life_ms=1_000, long_half_life_ms=hours(1))
    state = state_after(trend, [Event(0, 1.0), Event(half_lives * hours(1), None)])
    assert trend.result(state) == 0.0


def test_a_steady_stream_has_a_trend_of_one() -> None:
    events = [Event(time, 1.0) for time in range(0, hours(24) * 20, minutes(1))]
    trend = Trend(short_half_life_ms=hours(1), long_half_life_ms=hours(24))
    assert trend.result(state_after(trend, events)) == pytest.approx(1.0, abs=0.01)


GAP = 10 * SECOND
LONG_SESSION = [Event(time, "e", time) for time in range(0, 120 * GAP, GAP - 1)]


@few
@given(st.data())
def test_a_session_of_any_length_is_exact_while_no_event_is_47_gaps_late(data: st.DataObject) -> None:
    delay = st.integers(0, (KEPT_GAPS - 1) * GAP)
    lags = data.draw(st.lists(delay, min_size=len(LONG_SESSION), max_size=len(LONG_SESSION)))
    pairs = zip(LONG_SESSION, lags, strict=True)
    events = [event for event, lag in sorted(pairs, key=lambda pair: pair[0].time + pair[1])]
    assert SessionCount(GAP).result(state_after(SessionCount(GAP), events)) == len(LONG_SESSION)
    assert SessionDuration(GAP).result(state_after(SessionDuration(GAP), events)) == session_seconds(events, GAP)


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
    assert count.result(state_after(count, in_order)) == len(in_order)
    assert count.result(state_after(count, [Event(forgotten, "e"), *session, bridge])) == len(in_order) - 1


def test_forgotten_sessions_leave_the_state_small() -> None:
    days = [Event(time, "e") for time in range(0, 30 * hours(24), hours(1))]
    assert len(state_after(SessionCount(minutes(30)), days)) <= KEPT_GAPS + 1


def test_events_a_gap_apart_are_of_two_sessions() -> None:
    count = SessionCount(gap_ms=seconds(30))
    apart = [Event(0, "e"), Event(seconds(30), "e")]
    assert count.result(state_after(count, apart)) == 1
    assert count.result(state_after(count, [*apart, Event(1, "e")])) == 3


@pytest.mark.parametrize(
    ("feature", "aggregate"),
    [
        (Aggregation("f", "count", "event_id", "Int64", window_ms=60, slide_ms=20), WindowCount(60, 20)),
        (Aggregation("f", "trend", "event_id", "Float64", window_ms=60, slide_ms=20), Trend(20, 60)),
        (Aggregation("f", "last_n", "item_id", "Array(String)", n=3), LastN(3)),
        (Aggregation("f", "last_n_distinct", "item_id", "Array(String)", n=3), LastNDistinct(3)),
        (Aggregation("f", "session_duration", "event_time", "Float64", window_ms=60), SessionDuration(60)),
    ],
    ids=lambda part: getattr(part, "function", ""),
)
def test_a_declared_feature_has_its_windows_in_the_right_places(feature: Aggregation, aggregate: object) -> None:
    assert aggregate_of(feature) == aggregate
