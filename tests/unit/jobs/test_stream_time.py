"""What time it is in the stream, by a clock that the test sets."""

from typing import Any

import pytest

from builders import NOON, hours, minutes, seconds

pytestmark = pytest.mark.flink

SILENT = seconds(5) + 1


@pytest.fixture
def time(jvm: Any) -> Any:
    """The time of a stream that begins at noon."""
    return jvm.freshet.features.StreamTime(NOON)


@pytest.fixture
def unknown(jvm: Any) -> int:
    return int(jvm.freshet.features.StreamTime.UNKNOWN)


def test_time_is_that_of_the_newest_event_and_then_runs_with_the_clock(time: Any) -> None:
    time.event(NOON - 300, NOON)
    assert time.at(NOON) == NOON - 300
    assert time.at(NOON + seconds(40)) == NOON + seconds(40) - 300


def test_a_late_event_does_not_turn_time_back(time: Any) -> None:
    time.event(NOON - 300, NOON)
    time.event(NOON - hours(2), NOON + 10)
    assert time.at(NOON + 10) == NOON - 290


def test_an_event_from_the_future_does_not_move_time_past_the_clock(time: Any) -> None:
    time.event(NOON + minutes(5), NOON)
    assert time.at(NOON) == NOON
    assert time.at(NOON + seconds(1)) == NOON + seconds(1)


def test_a_replay_that_catches_up_moves_time_faster_than_the_clock(time: Any) -> None:
    time.event(NOON - hours(3), NOON)
    time.event(NOON - hours(1), NOON + seconds(1))
    assert time.at(NOON + seconds(1)) == NOON - hours(1)


def test_a_stream_that_never_had_an_event_has_no_time_and_lets_others_pass_once_it_is_silent(
    time: Any, unknown: int
) -> None:
    assert time.at(NOON + hours(1)) == unknown
    assert not time.isIdle(NOON + seconds(1))
    assert time.isIdle(NOON + SILENT)


def test_a_live_stream_that_falls_silent_goes_on_telling_time(time: Any) -> None:
    time.event(NOON, NOON)
    assert not time.isIdle(NOON + hours(1))
    assert time.at(NOON + hours(1)) == NOON + hours(1)


def test_a_replay_of_the_past_that_falls_silent_lets_others_pass(time: Any) -> None:
    time.event(NOON - hours(24), NOON)
    assert not time.isIdle(NOON + seconds(4))
    assert time.isIdle(NOON + SILENT)


def test_after_a_restart_without_traffic_time_goes_on_as_if_there_had_been_none(
    jvm: Any, time: Any, unknown: int
) -> None:
    time.event(NOON - 300, NOON)
    later = NOON + hours(2)
    restarted = jvm.freshet.features.StreamTime(later)
    restarted.restore(time.lag())
    assert restarted.at(later) == unknown, "a backlog may be on its way"
    assert restarted.at(later + SILENT) == time.at(later + SILENT)
    assert not restarted.isIdle(later + SILENT)


def test_after_a_restart_with_a_backlog_time_is_that_of_the_backlog(jvm: Any) -> None:
    restarted = jvm.freshet.features.StreamTime(NOON)
    restarted.restore(300)
    restarted.event(NOON - hours(2), NOON + seconds(1))
    assert restarted.at(NOON + seconds(1)) == NOON - hours(2)


def test_of_several_lags_before_a_restart_the_smallest_counts(jvm: Any) -> None:
    """One subtask replayed the past and was idle; time was told by the other."""
    restarted = jvm.freshet.features.StreamTime(NOON)
    for lag in (hours(24), 40, hours(1)):
        restarted.restore(lag)
    assert restarted.at(NOON + SILENT) == NOON + SILENT - 40


def test_two_restarts_in_a_row_without_traffic_forget_nothing(jvm: Any, time: Any) -> None:
    time.event(NOON - 300, NOON)
    once = jvm.freshet.features.StreamTime(NOON)
    once.restore(time.lag())
    assert once.lag() == time.lag() == 300


def test_what_never_had_an_event_leaves_nothing_to_go_on_from(time: Any) -> None:
    assert time.lag() < 0
