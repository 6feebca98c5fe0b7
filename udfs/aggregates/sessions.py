"""Sessions: runs of events with less than a gap between neighbours."""

from dataclasses import dataclass
from typing import NamedTuple

from freshet.udfs.aggregates.aggregate import Event

KEPT_GAPS = 48
"""For how many gaps a session that has ended is kept, in case that an event comes late: a day, if the gap is half an hour."""


class Session(NamedTuple):
    """A run of events; `counted` of them had a value."""

    start: int
    end: int
    counted: int


Sessions = tuple[Session, ...]
"""The sessions of the last while, oldest first, at least a gap apart."""


@dataclass(frozen=True)
class _Sessions:
    """Sessions of the last `KEPT_GAPS` gaps; the newest one is the current session.

    An event may extend a session, open one, or join two into one, whenever it comes. The current session is exact in any
    order of arrival while it lasts at most `KEPT_GAPS` gaps. In a longer one it is exact if no event comes more than
    `KEPT_GAPS - 1` gaps after a newer one; later events are left out.
    """

    gap_ms: int

    def zero(self) -> Sessions:
        """Return no sessions."""
        return ()

    def merge(self, one: Sessions, other: Sessions) -> Sessions:
        """Return the sessions of both; those that are less than a gap apart become one."""
        oldest = max((session.end for session in one + other), default=0) - KEPT_GAPS * self.gap_ms
        merged: list[Session] = []
        for session in sorted(session for session in one + other if session.end >= oldest):
            if merged and session.start - merged[-1].end < self.gap_ms:
                before = merged.pop()
                merged.append(Session(before.start, max(before.end, session.end), before.counted + session.counted))
            else:
                merged.append(session)
        return tuple(merged)


@dataclass(frozen=True)
class SessionCount(_Sessions):
    """How many events with a value the current session has; one without a value still keeps the session alive.

    >>> length = SessionCount(gap_ms=10)
    >>> state = length.zero()
    >>> for time, page in (100, "a"), (120, "b"), (125, None), (111, "c"), (109, "d"):
    ...     state = length.add(state, Event(time, page))
    ...     print(length.result(state))
    1
    1
    1
    2
    4
    """

    def add(self, state: Sessions, event: Event[object]) -> Sessions:
        """Return the sessions with one event more."""
        return self.merge(state, (Session(event.time, event.time, 0 if event.value is None else 1),))

    def result(self, state: Sessions) -> int:
        """Return the count of the current session."""
        return state[-1].counted if state else 0


@dataclass(frozen=True)
class SessionDuration(_Sessions):
    """Seconds from the first to the last event of the current session, whatever the events' values.

    >>> duration = SessionDuration(gap_ms=1_800_000)
    >>> duration.result(duration.add(duration.add(duration.zero(), Event(60_000, None)), Event(0, None)))
    60.0
    """

    def add(self, state: Sessions, event: Event[object]) -> Sessions:
        """Return the sessions with one event more."""
        return self.merge(state, (Session(event.time, event.time, 1),))

    def result(self, state: Sessions) -> float:
        """Return the duration of the current session in seconds."""
        return (state[-1].end - state[-1].start) / 1000 if state else 0.0
