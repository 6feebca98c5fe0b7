"""Exponential decay by half-life."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from freshet.udfs.aggregates.aggregate import Event


class Decayed(NamedTuple):
    """A sum as of the event time `at`; None before the first event, which is not the same as a sum of 0."""

    sum: float
    at: int | None


def decay(age_ms: int, half_life_ms: int) -> float:
    """Return what is left of 1 after a while: 2^(-age / half-life).

    >>> decay(30_000, half_life_ms=10_000)
    0.125
    """
    return math.pow(2.0, -age_ms / half_life_ms)


@dataclass(frozen=True)
class Ewma:
    """The sum of values, each halved with every half-life of its age: sum of v * 2^(-(t_newest - t) / half-life).

    An age is never negative, so no factor is above one and nothing overflows; a late event is simply an older summand.
    See Cormode, Shkapenyuk, Srivastava and Xu, "Forward Decay: A Practical Time Decay Model for Streaming Systems",
    ICDE 2009, for decay that is fixed when an event comes.

    >>> interest = Ewma(half_life_ms=1_000)
    >>> state = interest.zero()
    >>> for time in (1_000, 3_000, 2_000):
    ...     state = interest.add(state, Event(time, 1.0))
    ...     print(interest.result(state))
    1.0
    1.25
    1.75
    """

    half_life_ms: int

    def zero(self) -> Decayed:
        """Return nothing seen yet."""
        return Decayed(0.0, None)

    def add(self, state: Decayed, event: Event[float]) -> Decayed:
        """Return the sum with one event more."""
        return self.merge(state, Decayed(event.value or 0.0, event.time))

    def merge(self, one: Decayed, other: Decayed) -> Decayed:
        """Return both sums, the older one decayed to the newer one's time."""
        if one.at is None or other.at is None:
            return other if one.at is None else one
        newest = max(one.at, other.at)
        left = one.sum * decay(newest - one.at, self.half_life_ms)
        right = other.sum * decay(newest - other.at, self.half_life_ms)
        return Decayed(left + right, newest)

    def result(self, state: Decayed) -> float:
        """Return the sum as of the newest event."""
        return state.sum
