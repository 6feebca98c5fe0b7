"""Growth: the rate of late over the usual rate."""

from dataclasses import dataclass
from typing import NamedTuple

from freshet.udfs.aggregates.aggregate import Event
from freshet.udfs.aggregates.ewma import Decayed, Ewma


class Rates(NamedTuple):
    """The same events, decayed quickly and slowly."""

    recent: Decayed
    usual: Decayed


@dataclass(frozen=True)
class Trend:
    """(recent / short) / (usual / long), where recent and usual are the decayed counts of events with these half-lives.

    A decayed count over its half-life is a rate, up to the constant ln 2 that the quotient loses. A steady stream gives 1,
    a burst after silence at most long / short; 0.0 before the first event.

    >>> trend = Trend(short_half_life_ms=1_000, long_half_life_ms=24_000)
    >>> state = trend.add(trend.zero(), Event(5_000, "a click"))
    >>> trend.result(state, now=5_000), round(trend.result(state, now=29_000), 8)
    (24.0, 2.86e-06)
    """

    short_half_life_ms: int
    long_half_life_ms: int

    def zero(self) -> Rates:
        """Return nothing seen yet."""
        return Rates(self._short.zero(), self._long.zero())

    def add(self, state: Rates, event: Event[object]) -> Rates:
        """Return both counts with one event more; what its value is plays no part."""
        if event.value is None:
            return state
        one = Decayed((1.0,), event.time)
        return self.merge(state, Rates(one, one))

    def merge(self, one: Rates, other: Rates) -> Rates:
        """Return both counts of both."""
        return Rates(self._short.merge(one.recent, other.recent), self._long.merge(one.usual, other.usual))

    def result(self, state: Rates, now: int) -> float:
        """Return the recent rate over the usual rate."""
        # A count on its way to zero may still be a number when its rate no longer is one: 0 / 0 is no trend either.
        usual = self._long.result(state.usual, now) / self.long_half_life_ms
        return self._short.result(state.recent, now) / self.short_half_life_ms / usual if usual else 0.0

    def expiry(self, state: Rates, now: int) -> int | None:
        """Return None: what decays is never quite gone."""
        return None

    @property
    def _short(self) -> Ewma:
        return Ewma(self.short_half_life_ms)

    @property
    def _long(self) -> Ewma:
        return Ewma(self.long_half_life_ms)
