"""The first and the latest values."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic

from freshet.udfs.aggregates.aggregate import Event, Value

Moments = tuple[tuple[int, int, Value], ...]
"""(time, position, value) of a few events, newest first."""

_moment = itemgetter(0, 1)  # what orders events: time, then position


class _Kept(ABC, Generic[Value]):
    """A few of the events that have a value."""

    def zero(self) -> Moments[Value]:
        """Return no events."""
        return ()

    def add(self, state: Moments[Value], event: Event[Value]) -> Moments[Value]:
        """Return what is kept with one event more."""
        return state if event.value is None else self.merge(state, ((event.time, event.position, event.value),))

    def merge(self, one: Moments[Value], other: Moments[Value]) -> Moments[Value]:
        """Return what is kept of both."""
        return self._kept(tuple(sorted(one + other, key=_moment, reverse=True)))

    def expiry(self, state: Moments[Value], now: int) -> int | None:
        """Return None: without a window nothing leaves."""
        return None

    @abstractmethod
    def _kept(self, newest_first: Moments[Value]) -> Moments[Value]:
        """Return those of the events that are kept."""


@dataclass(frozen=True)
class First(_Kept[Value]):
    """The value of the earliest event that has one; None when there is none.

    >>> referrer = First()
    >>> referrer.result(state_after(referrer, [Event(20, "mail"), Event(10, "search"), Event(5, None)]), now=20)
    'search'
    """

    def _kept(self, newest_first: Moments[Value]) -> Moments[Value]:
        return newest_first[-1:]

    def result(self, state: Moments[Value], now: int) -> Value | None:
        """Return the value."""
        return state[0][2] if state else None


@dataclass(frozen=True)
class SinceLast(_Kept[Value]):
    """Seconds from the latest event that has a value to `now`; None when there is none.

    >>> recency = SinceLast()
    >>> recency.result(state_after(recency, [Event(1_000, "a"), Event(2_000, None)]), now=3_500)
    2.5
    """

    def _kept(self, newest_first: Moments[Value]) -> Moments[Value]:
        return newest_first[:1]

    def result(self, state: Moments[Value], now: int) -> float | None:
        """Return the seconds."""
        return (now - state[0][0]) / 1000 if state else None


class _Latest(_Kept[Value]):
    """The latest events, and of them those newer than `now - window_ms` where there is a window: 0 is none."""

    window_ms: int

    def within(self, state: Moments[Value], now: int) -> list[Value]:
        """Return the values in the window, newest first."""
        return [value for time, _, value in state if not self.window_ms or time > now - self.window_ms]

    def expiry(self, state: Moments[Value], now: int) -> int | None:
        """Return when the newest event leaves the window."""
        return state[0][0] + self.window_ms if self.window_ms and self.within(state, now) else None


@dataclass(frozen=True)
class Last(_Latest[Value]):
    """The value of the latest event that has one; None when there is none, or none in the window.

    >>> page = Last(window_ms=1_000)
    >>> state = state_after(page, [Event(20, "basket"), Event(10, "home"), Event(30, None)])
    >>> page.result(state, now=30), page.result(state, now=1_020), page.expiry(state, now=30)
    ('basket', None, 1020)
    """

    window_ms: int = 0

    def _kept(self, newest_first: Moments[Value]) -> Moments[Value]:
        return newest_first[:1]

    def result(self, state: Moments[Value], now: int) -> Value | None:
        """Return the value."""
        return next(iter(self.within(state, now)), None)


@dataclass(frozen=True)
class LastN(_Latest[str]):
    """The values of the `n` latest events that have one, newest first; events of one instant stand in log order.

    >>> items = LastN(n=2)
    >>> state = items.zero()
    >>> for time, item in (10, "a"), (30, "c"), (20, "b"), (40, None):
    ...     state = items.add(state, Event(time, item))
    ...     print(items.result(state, now=40))
    ['a']
    ['c', 'a']
    ['c', 'b']
    ['c', 'b']
    """

    n: int
    window_ms: int = 0

    def _kept(self, newest_first: Moments[str]) -> Moments[str]:
        return newest_first[: self.n]

    def result(self, state: Moments[str], now: int) -> list[str]:
        """Return the values."""
        return self.within(state, now)


@dataclass(frozen=True)
class LastNDistinct(LastN):
    """The `n` values seen last, each once and newest first; a value stands where its latest event stands.

    >>> categories = LastNDistinct(n=2)
    >>> state = categories.zero()
    >>> for time, category in (10, "a"), (30, "c"), (20, "c"), (40, "a"), (35, "b"):
    ...     state = categories.add(state, Event(time, category))
    ...     print(categories.result(state, now=40))
    ['a']
    ['c', 'a']
    ['c', 'a']
    ['a', 'c']
    ['a', 'b']
    """

    def _kept(self, newest_first: Moments[str]) -> Moments[str]:
        newest: dict[str, tuple[int, int, str]] = {}
        for event in newest_first:
            newest.setdefault(event[2], event)
        return tuple(newest.values())[: self.n]
