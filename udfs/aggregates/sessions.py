"""Sessions: runs of events with less than a gap between neighbours."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

from freshet.udfs.aggregates.aggregate import Event
from freshet.udfs.aggregates.latest import LastNDistinct

KEPT_GAPS = 48
"""For how many gaps a session that has ended is kept, in case that an event comes late: a day, if the gap is half an hour."""


class Session(NamedTuple):
    """A run of events, and what a feature keeps of their values: a number or tuples, () when no event had a value."""

    start: int
    end: int
    kept: Any


Sessions = tuple[Session, ...]
"""The sessions of the last while, oldest first, at least a gap apart."""


@dataclass(frozen=True)
class _Sessions(ABC):
    """Sessions of the last `KEPT_GAPS` gaps; the newest one is the current session, until a gap without events has passed.

    An event may extend a session, open one, or join two into one, whenever it comes; one without a value does so too. The
    current session is exact in any order of arrival while it lasts at most `KEPT_GAPS` gaps. In a longer one it is exact if
    no event comes more than `KEPT_GAPS - 1` gaps after a newer one; later events are left out.
    """

    gap_ms: int

    def zero(self) -> Sessions:
        """Return no sessions."""
        return ()

    def add(self, state: Sessions, event: Event[str]) -> Sessions:
        """Return the sessions with one event more."""
        return self.merge(state, (Session(event.time, event.time, self._kept(event)),))

    def merge(self, one: Sessions, other: Sessions) -> Sessions:
        """Return the sessions of both; those that are less than a gap apart become one."""
        oldest = max((session.end for session in one + other), default=0) - KEPT_GAPS * self.gap_ms
        merged: list[Session] = []
        for session in sorted(session for session in one + other if session.end >= oldest):
            if merged and session.start - merged[-1].end < self.gap_ms:
                before = merged.pop()
                both = self._joined(before.kept, session.kept)
                merged.append(Session(before.start, max(before.end, session.end), both))
            else:
                merged.append(session)
        return tuple(merged)

    def current(self, state: Sessions, now: int) -> Session | None:
        """Return the session that goes on at `now`."""
        return state[-1] if state and now - state[-1].end < self.gap_ms else None

    def expiry(self, state: Sessions, now: int) -> int | None:
        """Return when the current session is over, if no further event comes."""
        session = self.current(state, now)
        return session.end + self.gap_ms if session else None

    @abstractmethod
    def _kept(self, event: Event[str]) -> Any:
        """Return what is kept of one event."""

    @abstractmethod
    def _joined(self, one: Any, other: Any) -> Any:
        """Return what is kept of the events of both."""


@dataclass(frozen=True)
class SessionCount(_Sessions):
    """How many events with a value the current session has; one without a value still keeps the session alive.

    >>> length = SessionCount(gap_ms=10)
    >>> state = length.zero()
    >>> for time, page in (100, "a"), (120, "b"), (125, None), (111, "c"), (109, "d"):
    ...     state = length.add(state, Event(time, page))
    ...     print(length.result(state, now=125))
    0
    1
    1
    2
    4
    >>> length.result(state, now=134), length.result(state, now=135), length.expiry(state, now=125)
    (4, 0, 135)
    """

    def _kept(self, event: Event[str]) -> int:
        return 0 if event.value is None else 1

    def _joined(self, one: int, other: int) -> int:
        return one + other

    def result(self, state: Sessions, now: int) -> int:
        """Return the count."""
        session = self.current(state, now)
        return session.kept if session else 0


@dataclass(frozen=True)
class SessionDuration(_Sessions):
    """Seconds from the first to the last event of the current session, whatever the events' values; 0.0 without a session.

    >>> duration = SessionDuration(gap_ms=1_800_000)
    >>> state = state_after(duration, [Event(60_000, None), Event(0, None)])
    >>> duration.result(state, now=90_000), duration.result(state, now=1_860_000)
    (60.0, 0.0)
    """

    def _kept(self, event: Event[str]) -> tuple[()]:
        return ()

    def _joined(self, one: tuple[()], other: tuple[()]) -> tuple[()]:
        return ()

    def result(self, state: Sessions, now: int) -> float:
        """Return the duration."""
        session = self.current(state, now)
        return (session.end - session.start) / 1000 if session else 0.0


@dataclass(frozen=True)
class SessionDepth(_Sessions):
    """How many different texts the current session has; 0 without a session.

    >>> depth = SessionDepth(gap_ms=10)
    >>> state = state_after(depth, [Event(100, "a"), Event(105, "b"), Event(109, "a"), Event(112, None), Event(80, "c")])
    >>> depth.result(state, now=112), depth.result(state, now=122)
    (2, 0)
    """

    def _kept(self, event: Event[str]) -> tuple[str, ...]:
        return () if event.value is None else (event.value,)

    def _joined(self, one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({*one, *other}))

    def result(self, state: Sessions, now: int) -> int:
        """Return the number of texts."""
        session = self.current(state, now)
        return len(session.kept) if session else 0


@dataclass(frozen=True)
class SessionItems(_Sessions):
    """The `n` texts that the current session saw last, each once and newest first; none without a session.

    >>> pages = SessionItems(gap_ms=10, n=2)
    >>> state = state_after(pages, [Event(100, "a"), Event(105, "b"), Event(103, "c"), Event(109, "a"), Event(80, "d")])
    >>> pages.result(state, now=112), pages.result(state, now=122)
    (['a', 'b'], [])
    """

    n: int

    def _kept(self, event: Event[str]) -> Any:
        return self._items.add((), event)

    def _joined(self, one: Any, other: Any) -> Any:
        return self._items.merge(one, other)

    def result(self, state: Sessions, now: int) -> list[str]:
        """Return the texts."""
        session = self.current(state, now)
        return self._items.result(session.kept, now) if session else []

    @property
    def _items(self) -> LastNDistinct:
        return LastNDistinct(self.n)
