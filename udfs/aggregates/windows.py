"""Sliding windows: counts and sums of the newest while."""

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from freshet.udfs.aggregates.aggregate import Event


class Panes(NamedTuple):
    """The newest pane that an event fell into, and (pane, sum) of those within the window, oldest first."""

    newest: int | None
    sums: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class _Window:
    """Time cut into panes of `slide_ms`; the window is the newest `window_ms / slide_ms` of them.

    The pane that is being filled is one of them, so the window equals the HOP window that is about to close. An event
    joins its pane whenever it comes; one whose pane has left the window changes nothing.
    """

    window_ms: int
    slide_ms: int

    def zero(self) -> Panes:
        """Return no panes at all."""
        return Panes(None, ())

    def merge(self, one: Panes, other: Panes) -> Panes:
        """Return the sums of both, pane by pane, as far as the newer of the two windows reaches."""
        seen = [panes.newest for panes in (one, other) if panes.newest is not None]
        if not seen:
            return self.zero()
        newest = max(seen)
        sums: defaultdict[int, float] = defaultdict(float)
        for pane, amount in one.sums + other.sums:
            if pane > newest - self.window_ms // self.slide_ms:
                sums[pane] += amount
        return Panes(newest, tuple(sorted(sums.items())))

    def _plus(self, state: Panes, time: int, amount: float | None) -> Panes:
        pane = time // self.slide_ms
        return self.merge(state, Panes(pane, () if amount is None else ((pane, amount),)))


@dataclass(frozen=True)
class WindowCount(_Window):
    """How many events with a value the window holds.

    >>> count = WindowCount(window_ms=3_000, slide_ms=1_000)
    >>> state = count.zero()
    >>> for time in (5_200, 3_999, 2_999, 5_900):
    ...     state = count.add(state, Event(time, "e"))
    ...     print(count.result(state))
    1
    2
    2
    3
    """

    def add(self, state: Panes, event: Event[object]) -> Panes:
        """Return the panes with one event more."""
        return self._plus(state, event.time, None if event.value is None else 1.0)

    def result(self, state: Panes) -> int:
        """Return the count."""
        return int(sum(amount for _, amount in state.sums))


@dataclass(frozen=True)
class WindowSum(_Window):
    """The sum of the values in the window; 0.0 when it holds none.

    >>> spend = WindowSum(window_ms=3_000, slide_ms=1_000)
    >>> state = spend.zero()
    >>> for time, paid in (5_200, 2.5), (3_999, 1.0), (8_000, None):
    ...     state = spend.add(state, Event(time, paid))
    ...     print(spend.result(state))
    2.5
    3.5
    0.0
    """

    def add(self, state: Panes, event: Event[float]) -> Panes:
        """Return the panes with one event more."""
        return self._plus(state, event.time, event.value)

    def result(self, state: Panes) -> float:
        """Return the sum."""
        return sum((amount for _, amount in state.sums), start=0.0)
