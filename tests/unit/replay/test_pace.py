"""When events are due, on a clock that only moves when somebody sleeps."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.errors import FreshetError
from freshet.replay.pace import EARLY_S, Pace, milliseconds, shift_to


class Clock:
    """A clock for tests: `sleep` moves it, and so may the reader of the events."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def events_at(*times_ms: int) -> list[dict[str, Any]]:
    return [{"event_time": time_ms} for time_ms in times_ms]


def sent_at(pace: Pace, records: list[dict[str, Any]], work_s: float = 0.0) -> list[float]:
    """Return the seconds after the first event at which a reader that works so long gets each one."""
    clock = Clock()

    def run() -> Iterator[float]:
        for _ in pace(records, clock, clock.sleep):
            yield clock.now - 100.0
            clock.now += work_s

    return list(run())


def test_real_time_keeps_the_gaps() -> None:
    assert sent_at(Pace(speed=1), events_at(5_000, 6_000, 6_000, 16_000)) == pytest.approx([0, 1, 1, 11])


def test_a_thousand_times_faster_divides_the_gaps() -> None:
    assert sent_at(Pace(speed=1000), events_at(0, 60_000, 3_600_000)) == pytest.approx([0, 0.06, 3.6])


def test_a_rate_spaces_events_evenly_whatever_their_times() -> None:
    assert sent_at(Pace(rate=4), events_at(9, 1, 5, 7)) == pytest.approx([0, 0.25, 0.5, 0.75])


def test_without_a_pace_nothing_waits() -> None:
    assert sent_at(Pace(), events_at(0, 10_000_000)) == [0, 0]


def test_a_slow_reader_is_caught_up_with() -> None:
    late = sent_at(Pace(rate=10), events_at(*range(4)), work_s=0.15)
    assert late == pytest.approx([0, 0.15, 0.3, 0.45])


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30).map(sorted), st.floats(0.1, 1e6))
def test_no_event_is_more_than_half_a_millisecond_early(times: list[int], speed: float) -> None:
    for time_ms, at in zip(times, sent_at(Pace(speed=speed), events_at(*times)), strict=True):
        due = (time_ms - times[0]) / 1000 / speed
        assert due - EARLY_S - 1e-6 <= at <= due + 1e-6


@given(st.integers(0, 2**42), st.integers(0, 2**42))
def test_the_shift_puts_the_last_event_just_before_now(now_ms: int, last_ms: int) -> None:
    assert last_ms + shift_to(now_ms, last_ms) == now_ms - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90_000), ("30m", 1_800_000), ("6h", 21_600_000), (" 14d ", 1_209_600_000), ("2w", 1_209_600_000)],
)
def test_a_span_is_a_number_and_a_unit(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize("text", ["", "14", "d", "0d", "-1d", "1.5h", "14 d", "1y", "14days"])
def test_another_span_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(FreshetError, match=r"write a number and one of s, m, h, d, w"):
        milliseconds(text)
