"""Rates: the share of events that are hits, pulled towards a prior while there are few."""

from dataclasses import dataclass

from freshet.udfs.aggregates.aggregate import number
from freshet.udfs.aggregates.ewma import Decayed, Decaying
from freshet.udfs.aggregates.windows import Panes, Total, Totalled


def smoothed(hits: float, events: float, prior: float, prior_weight: float) -> float | None:
    """Return (hits + weight * prior) / (events + weight); None if both events and weight are 0.

    The prior counts like `prior_weight` events more, of which the share `prior` are hits: the mean of a beta distribution.

    >>> smoothed(1.0, 2.0, prior=0.1, prior_weight=8.0), smoothed(0.0, 0.0, prior=0.1, prior_weight=0.0)
    (0.18, None)
    """
    weight = events + prior_weight
    return (hits + prior_weight * prior) / weight if weight else None


@dataclass(frozen=True)
class Rate(Totalled):
    """The smoothed share of hits, whose value is 1.0 and not 0.0, among the window's events; the prior when it holds none.

    >>> rate = Rate(window_ms=3_000, slide_ms=1_000, prior=0.5, prior_weight=2.0)
    >>> state = state_after(rate, [Event(0, 1.0), Event(1_000, 0.0), Event(1_500, 0.0)])
    >>> rate.result(state, now=2_000), rate.result(state, now=3_000), rate.result(state, now=4_000)
    (0.4, 0.25, 0.5)
    """

    prior: float = 0.0
    prior_weight: float = 0.0

    def result(self, state: Panes[Total], now: int) -> float | None:
        """Return the share."""
        total = self.total(state, now)
        return smoothed(total.sum, total.events, self.prior, self.prior_weight)


@dataclass(frozen=True)
class EwmaRate(Decaying[float]):
    """The smoothed share of hits, whose value is 1.0 and not 0.0, when events weigh the less the older they are.

    >>> rate = EwmaRate(half_life_ms=1_000, prior=0.5, prior_weight=2.0)
    >>> state = state_after(rate, [Event(0, 1.0), Event(1_000, 1.0), Event(1_000, 0.0, position=1)])
    >>> rate.result(state, now=1_000), rate.result(state, now=90_000)
    (0.5555555555555556, 0.5)
    """

    prior: float = 0.0
    prior_weight: float = 0.0

    def _summands(self, value: float) -> tuple[float, ...]:
        return number(value), 1.0

    def result(self, state: Decayed, now: int) -> float | None:
        """Return the share."""
        hits, events = self.at(state, now) or (0.0, 0.0)
        return smoothed(hits, events, self.prior, self.prior_weight)
