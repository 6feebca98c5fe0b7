"""Exponential decay by half-life: sums and means in which a value weighs half as much with every half-life of its age."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, NamedTuple

from freshet.udfs.aggregates.aggregate import Event, Taken, number


class Decayed(NamedTuple):
    """Sums as of the event time `at`; None before the first event, which is not the same as sums of 0."""

    sums: tuple[float, ...]
    at: int | None


def decay(age_ms: int, half_life_ms: int) -> float:
    """Return what is left of 1 after a while: 2^(-age / half-life).

    >>> decay(30_000, half_life_ms=10_000)
    0.125
    """
    return math.pow(2.0, -age_ms / half_life_ms)


@dataclass(frozen=True)
class Decaying(ABC, Generic[Taken]):
    """Sums of what the events bring, each halved with every half-life of its age.

    An age is never negative, so no factor is above one and nothing overflows; a late event is simply an older summand.
    See Cormode, Shkapenyuk, Srivastava and Xu, "Forward Decay: A Practical Time Decay Model for Streaming Systems",
    ICDE 2009, for decay that is fixed when an event comes.
    """

    half_life_ms: int

    def zero(self) -> Decayed:
        """Return nothing seen yet."""
        return Decayed((), None)

    def add(self, state: Decayed, event: Event[Taken]) -> Decayed:
        """Return the sums with one event more."""
        return state if event.value is None else self.merge(state, Decayed(self._summands(event.value), event.time))

    def merge(self, one: Decayed, other: Decayed) -> Decayed:
        """Return the sums of both, the older ones decayed to the time of the newer ones."""
        if one.at is None or other.at is None:
            return other if one.at is None else one
        newest = max(one.at, other.at)
        pairs = zip(self.at(one, newest), self.at(other, newest), strict=True)
        return Decayed(tuple(left + right for left, right in pairs), newest)

    def at(self, state: Decayed, now: int) -> tuple[float, ...]:
        """Return the sums at `now`; none at all before the first event."""
        if state.at is None:
            return ()
        left = decay(now - state.at, self.half_life_ms)
        return tuple(part * left for part in state.sums)

    def expiry(self, state: Decayed, now: int) -> int | None:
        """Return None: what decays is never quite gone."""
        return None

    @abstractmethod
    def _summands(self, value: Taken) -> tuple[float, ...]:
        """Return what a value adds to each of the sums."""


@dataclass(frozen=True)
class Ewma(Decaying[object]):
    """The decayed sum of the values, sum of v * 2^(-(now - t) / half-life); an event whose value is no number adds 1.

    >>> interest = Ewma(half_life_ms=1_000)
    >>> state = interest.zero()
    >>> for time in (1_000, 3_000, 2_000):
    ...     state = interest.add(state, Event(time, "a page"))
    ...     print(interest.result(state, now=3_000))
    0.25
    1.25
    1.75
    >>> interest.result(state, now=4_000)
    0.875
    """

    def _summands(self, value: object) -> tuple[float, ...]:
        return (number(value),)

    def result(self, state: Decayed, now: int) -> float:
        """Return the sum."""
        (total,) = self.at(state, now) or (0.0,)
        return total


@dataclass(frozen=True)
class EwmaMean(Decaying[float]):
    """The mean of the values by what is left of each: decayed sum over decayed count; None when nothing is left.

    >>> price = EwmaMean(half_life_ms=1_000)
    >>> state = state_after(price, [Event(0, 4.0), Event(1_000, 1.0)])
    >>> price.result(state, now=1_000), price.result(state, now=9_000), price.result(price.zero(), now=0)
    (2.0, 2.0, None)
    """

    def _summands(self, value: float) -> tuple[float, ...]:
        return number(value), 1.0

    def result(self, state: Decayed, now: int) -> float | None:
        """Return the mean."""
        total, count = self.at(state, now) or (0.0, 0.0)
        return total / count if count else None


@dataclass(frozen=True)
class EwmaVector(Decaying[tuple[float, ...]]):
    """The mean of vectors of length `n` by what is left of each, element by element; None when nothing is left.

    A vector of another length, or one with a number missing, adds nothing.

    >>> taste = EwmaVector(half_life_ms=1_000, n=2)
    >>> state = state_after(taste, [Event(0, (4.0, 0.0)), Event(1_000, (1.0, 3.0)), Event(1_000, (1.0,))])
    >>> taste.result(state, now=1_000), taste.result(taste.zero(), now=0)
    ([2.0, 2.0], None)
    """

    n: int

    def add(self, state: Decayed, event: Event[tuple[float, ...]]) -> Decayed:
        """Return the sums with one event more."""
        fits = event.value is not None and len(event.value) == self.n and None not in event.value
        return super().add(state, event) if fits else state

    def _summands(self, value: tuple[float, ...]) -> tuple[float, ...]:
        return (*value, 1.0)

    def result(self, state: Decayed, now: int) -> list[float] | None:
        """Return the mean vector."""
        *sums, count = self.at(state, now) or (0.0,)
        return [total / count for total in sums] if count else None
