"""Sliding windows: counts, sums and moments of the newest while."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Generic, NamedTuple, TypeVar

from freshet.udfs.aggregates.aggregate import Event, number

Cell = TypeVar("Cell")
Panes = tuple[tuple[int, Cell], ...]
"""(pane, what it holds) of the panes that got a value, oldest first."""


@dataclass(frozen=True)
class Window:
    """Time cut into panes of `slide_ms`; the window is `window_ms / slide_ms` of them, the one that holds `now` the newest.

    The pane that is being filled is one of them, so the window equals the HOP window that is about to close.
    """

    window_ms: int
    slide_ms: int

    @property
    def length(self) -> int:
        """How many panes the window has."""
        return self.window_ms // self.slide_ms

    def pane(self, time: int) -> int:
        """Return the number of the pane that an instant falls into."""
        return time // self.slide_ms

    def reaches(self, pane: int, newest: int) -> bool:
        """Return whether a pane is in the window whose newest pane is `newest`."""
        return newest - pane < self.length

    def end(self, panes: Iterable[int], now: int) -> int | None:
        """Return when the newest of the panes leaves the window; None if all have left it at `now`."""
        inside = [pane for pane in panes if self.reaches(pane, self.pane(now))]
        return (max(inside) + self.length) * self.slide_ms if inside else None


@dataclass(frozen=True)
class PaneByPane(Window, ABC, Generic[Cell]):
    """A window of which each pane has a cell of its own.

    An event joins its pane whenever it comes; one whose pane has left the window changes nothing.
    """

    def zero(self) -> Panes[Cell]:
        """Return no panes at all."""
        return ()

    def add(self, state: Panes[Cell], event: Event[object]) -> Panes[Cell]:
        """Return the panes with one event more."""
        if event.value is None:
            return state
        return self.merge(state, ((self.pane(event.time), self._cell(event.value)),))

    def merge(self, one: Panes[Cell], other: Panes[Cell]) -> Panes[Cell]:
        """Return the cells of both, pane by pane, as far as the window of the newest pane reaches."""
        cells = dict(one)
        for pane, cell in other:
            cells[pane] = self._join(cells[pane], cell) if pane in cells else cell
        return tuple((pane, cells[pane]) for pane in sorted(cells) if self.reaches(pane, max(cells)))

    def within(self, state: Panes[Cell], now: int) -> dict[int, Cell]:
        """Return the cells in the window at `now` by pane, oldest first."""
        return {pane: cell for pane, cell in state if self.reaches(pane, self.pane(now))}

    def expiry(self, state: Panes[Cell], now: int) -> int | None:
        """Return when the newest pane leaves the window."""
        return self.end((pane for pane, _ in state), now)

    @abstractmethod
    def _cell(self, value: object) -> Cell:
        """Return the cell of a pane with this one value."""

    @abstractmethod
    def _join(self, one: Cell, other: Cell) -> Cell:
        """Return the cell of the values of both."""


class _Counted(PaneByPane[int]):
    def _cell(self, value: object) -> int:
        return 1

    def _join(self, one: int, other: int) -> int:
        return one + other


@dataclass(frozen=True)
class Count(_Counted):
    """How many events with a value the window holds.

    >>> count = Count(window_ms=3_000, slide_ms=1_000)
    >>> state = count.zero()
    >>> for time in (5_200, 3_999, 2_999, 5_900):
    ...     state = count.add(state, Event(time, "e"))
    ...     print(count.result(state, now=5_900))
    1
    2
    2
    3
    >>> count.result(state, now=6_000), count.result(state, now=8_000), count.expiry(state, now=6_000)
    (2, 0, 8000)
    """

    def result(self, state: Panes[int], now: int) -> int:
        """Return the count."""
        return sum(self.within(state, now).values())


@dataclass(frozen=True)
class Histogram(_Counted):
    """How many events with a value each pane of the window holds, the newest pane first: `window_ms / slide_ms` counts.

    >>> histogram = Histogram(window_ms=3_000, slide_ms=1_000)
    >>> state = state_after(histogram, [Event(1_000, "a"), Event(1_500, "b"), Event(3_100, "a")])
    >>> histogram.result(state, now=3_100), histogram.result(state, now=4_000)
    ([1, 0, 2], [0, 1, 0])
    """

    def result(self, state: Panes[int], now: int) -> list[int]:
        """Return the counts."""
        counts, newest = self.within(state, now), self.pane(now)
        return [counts.get(newest - age, 0) for age in range(self.length)]


@dataclass(frozen=True)
class Sum(PaneByPane[float]):
    """The sum of the values in the window; 0.0 when it holds none.

    >>> spend = Sum(window_ms=3_000, slide_ms=1_000)
    >>> state = state_after(spend, [Event(5_200, 2.5), Event(3_999, 1.0)])
    >>> spend.result(state, now=5_200), spend.result(state, now=6_000), spend.result(state, now=8_000)
    (3.5, 2.5, 0.0)
    """

    def _cell(self, value: object) -> float:
        return number(value)

    def _join(self, one: float, other: float) -> float:
        return one + other

    def result(self, state: Panes[float], now: int) -> float:
        """Return the sum."""
        return sum(self.within(state, now).values(), start=0.0)


class Total(NamedTuple):
    """How many values a pane holds, and their sum."""

    events: int
    sum: float


class Totalled(PaneByPane[Total]):
    """A window that keeps count and sum of each pane."""

    def _cell(self, value: object) -> Total:
        return Total(1, number(value))

    def _join(self, one: Total, other: Total) -> Total:
        return Total(one.events + other.events, one.sum + other.sum)

    def total(self, state: Panes[Total], now: int) -> Total:
        """Return count and sum of the values in the window."""
        return reduce(self._join, self.within(state, now).values(), Total(0, 0.0))


@dataclass(frozen=True)
class Mean(Totalled):
    """The arithmetic mean of the values in the window; None when it holds none.

    >>> mean = Mean(window_ms=3_000, slide_ms=1_000)
    >>> state = state_after(mean, [Event(1_000, 2.0), Event(2_500, 5.0)])
    >>> mean.result(state, now=2_500), mean.result(state, now=4_000), mean.result(state, now=5_000)
    (3.5, 5.0, None)
    """

    def result(self, state: Panes[Total], now: int) -> float | None:
        """Return the mean."""
        total = self.total(state, now)
        return total.sum / total.events if total.events else None


@dataclass(frozen=True)
class Min(PaneByPane[float]):
    """The smallest of the values in the window; None when it holds none.

    >>> lowest = Min(window_ms=3_000, slide_ms=1_000)
    >>> state = state_after(lowest, [Event(1_000, 2.0), Event(2_500, 5.0)])
    >>> lowest.result(state, now=2_500), lowest.result(state, now=4_000), lowest.result(state, now=5_000)
    (2.0, 5.0, None)
    """

    def _cell(self, value: object) -> float:
        return number(value)

    def _join(self, one: float, other: float) -> float:
        return min(one, other)

    def result(self, state: Panes[float], now: int) -> float | None:
        """Return the smallest value."""
        return min(self.within(state, now).values(), default=None)


@dataclass(frozen=True)
class Max(PaneByPane[float]):
    """The largest of the values in the window; None when it holds none.

    >>> highest = Max(window_ms=3_000, slide_ms=1_000)
    >>> state = state_after(highest, [Event(1_000, 5.0), Event(2_500, 2.0)])
    >>> highest.result(state, now=2_500), highest.result(state, now=4_000), highest.result(state, now=5_000)
    (5.0, 2.0, None)
    """

    def _cell(self, value: object) -> float:
        return number(value)

    def _join(self, one: float, other: float) -> float:
        return max(one, other)

    def result(self, state: Panes[float], now: int) -> float | None:
        """Return the largest value."""
        return max(self.within(state, now).values(), default=None)


class Spread(NamedTuple):
    """How many values a pane holds, their mean, and the sum of their squared distances from it."""

    events: int
    mean: float
    squares: float


@dataclass(frozen=True)
class StdDev(PaneByPane[Spread]):
    """The sample standard deviation of the values in the window; None when it holds fewer than two.

    Two parts are joined by the method of Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances", 1979. Large values of small spread lose no digits by it.

    >>> deviation = StdDev(window_ms=3_000, slide_ms=1_000)
    >>> state = state_after(deviation, [Event(1_000, 2.0), Event(2_500, 4.0), Event(2_600, 6.0)])
    >>> deviation.result(state, now=3_000), round(deviation.result(state, now=4_000), 3)
    (2.0, 1.414)
    """

    def _cell(self, value: object) -> Spread:
        return Spread(1, number(value), 0.0)

    def _join(self, one: Spread, other: Spread) -> Spread:
        # In an order of their own, so that rounding does not tell which of the two was given first.
        less, more = sorted((one, other))
        count, apart = less.events + more.events, less.mean - more.mean
        squares = less.squares + more.squares + apart * apart * less.events * more.events / count
        return Spread(count, more.mean + apart * less.events / count, squares)

    def result(self, state: Panes[Spread], now: int) -> float | None:
        """Return the standard deviation."""
        spreads = self.within(state, now).values()
        count, _, squares = reduce(self._join, spreads) if spreads else Spread(0, 0.0, 0.0)
        return math.sqrt(squares / (count - 1)) if count > 1 else None
