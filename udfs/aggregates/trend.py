"""Growth: the rate of late over the usual rate."""

from dataclasses import dataclass
from typing import NamedTuple

from freshet.udfs.aggregates.aggregate import Event
from freshet.udfs.aggregates.ewma import Decayed, Ewma


class Rates(NamedTuple):
    """The same values, decayed quickly and slowly."""

    recent: Decayed
    usual: Decayed


@dataclass(frozen=True)
class Trend:
    """(recent / short) / (usual / long), where recent and usual are the decayed sums with these half-lives.

    A decayed sum over its half-life is a rate, up to the constant ln 2 that the quotient loses. A steady stream gives 1,
    a burst after silence at most long / short; 0 before the first value.

    >>> trend = Trend(short_half_life_ms=1_000, long_half_life_ms=24_000)
    >>> trend.result(trend.add(trend.zero(), Event(5_000, 1.0)))
    24.0
    """

    short_half_life_ms: int
    long_half_life_ms: int

    def zero(self) -> Rates:
        """Return nothing seen yet."""
        return Rates(self._short.zero(), self._long.zero())

    def add(self, state: Rates, event: Event[float]) -> Rates:
        """Return both sums with one event more."""
        return Rates(self._short.add(state.recent, event), self._long.add(state.usual, event))

    def merge(self, one: Rates, other: Rates) -> Rates:
        """Return both sums of both."""
        return Rates(self._short.merge(one.recent, other.recent), self._long.merge(one.usual, other.usual))

    def result(self, state: Rates) -> float:
        """Return the recent rate over the usual rate."""
        usual = self._long.result(state.usual) / self.long_half_life_ms
        return self._short.result(state.recent) / self.short_half_life_ms / usual if usual else 0.0

    @property
    def _short(self) -> Ewma:
        return Ewma(self.short_half_life_ms)

    @property
    def _long(self) -> Ewma:
        return Ewma(self.long_half_life_ms)
