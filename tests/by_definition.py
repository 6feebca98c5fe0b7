"""What each function must give, by definition: slow, and over all events at once."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import Any

from builders import SECOND
from freshet.udfs.aggregates.aggregate import Event

Stream = Sequence[Event[Any]]

WINDOW, SLIDE, HALF_LIFE, GAP_S, PRIOR, WEIGHT = 5 * SECOND, SECOND, 3 * SECOND, 2 * SECOND, 0.25, 4.0


def in_window(events: Stream, now: int) -> list[Any]:
    """Return the values of the events whose pane is within the newest window / slide panes."""
    kept = [event for event in events if now // SLIDE - event.time // SLIDE < WINDOW // SLIDE]
    return [event.value for event in kept if event.value is not None]


def weights(events: Stream, now: int, half_life: int = HALF_LIFE) -> list[tuple[float, Any]]:
    """Return the values of the events with what is left of each."""
    return [(2.0 ** (-(now - e.time) / half_life), e.value) for e in events if e.value is not None]


def decayed_sum(events: Stream, now: int, half_life: int = HALF_LIFE) -> float:
    return math.fsum(weight * value for weight, value in weights(events, now, half_life))


def decayed_count(events: Stream, now: int, half_life: int = HALF_LIFE) -> float:
    return math.fsum(weight for weight, _ in weights(events, now, half_life))


def decayed_mean(events: Stream, now: int) -> float | None:
    return decayed_sum(events, now) / decayed_count(events, now) if weights(events, now) else None


def decayed_vector(events: Stream, now: int) -> list[float] | None:
    there = weights(events, now)
    total = math.fsum(weight for weight, _ in there)
    return [math.fsum(w * vector[at] for w, vector in there) / total for at in range(2)] if there else None


def rate_ratio(events: Stream, now: int, short: int, long: int) -> float:
    usual = decayed_count(events, now, long) / long
    return decayed_count(events, now, short) / short / usual if usual else 0.0


def mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def share(hits: float, events: float, prior: float = PRIOR, weight: float = WEIGHT) -> float | None:
    return (hits + prior * weight) / (events + weight) if events + weight else None


def by_pane(events: Stream, now: int) -> list[int]:
    panes = Counter(event.time // SLIDE for event in events if event.value is not None)
    return [panes[now // SLIDE - back] for back in range(WINDOW // SLIDE)]


def most_frequent(values: Sequence[str], n: int) -> list[str]:
    counts = Counter(values)
    return sorted(counts, key=lambda value: (-counts[value], value))[:n]


def latest(events: Stream, n: int, since: float = -math.inf) -> list[Any]:
    ordered = sorted(events, key=lambda event: (event.time, event.position), reverse=True)
    return [event.value for event in ordered if event.value is not None and event.time > since][:n]


def distinct(events: Stream, n: int, since: float = -math.inf) -> list[Any]:
    return list(dict.fromkeys(latest(events, len(events), since)))[:n]


def one_of(values: Sequence[Any]) -> Any:
    return values[0] if values else None


def since_last(events: Stream, now: int) -> float | None:
    times = [event.time for event in events if event.value is not None]
    return (now - max(times)) / 1000 if times else None


def current_session(events: Stream, now: int, gap: int = GAP_S) -> list[Event[Any]]:
    """Return the longest run back from the latest event in which neighbours are less than a gap apart, newest first."""
    newest_first = sorted(events, key=lambda event: event.time, reverse=True)
    if not newest_first or now - newest_first[0].time >= gap:
        return []
    breaks = (one.time - next_one.time < gap for one, next_one in pairwise(newest_first))
    return newest_first[: 1 + len(list(takewhile(bool, breaks)))]


def session_seconds(events: Stream, now: int, gap: int = GAP_S) -> float:
    times = [event.time for event in current_session(events, now, gap)]
    return (max(times) - min(times)) / 1000 if times else 0.0
