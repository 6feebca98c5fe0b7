"""Session neighbours: what people did who had the same latest items, near those items (VMIS-kNN, Kersbergen et al., 2022).

The sessions that share the latest items are found through a list of the latest sessions of each item, so that the cost
does not grow with their number.
"""

from typing import Protocol

import numpy as np

from freshet.models.best import best
from freshet.models.sources.rows import BEHIND, distances, first_of_each
from freshet.models.sources.source import Evidence, Floats, Found, each, nothing_found
from freshet.models.user_state import Ints, UserState

GAP_MS = 30 * 60_000
"""A pause this long ends a session."""

LONGEST = 50
LAST = 10
NEIGHBOURS = 100
NEAR = 5.0
"""Steps between an item proposed and the shared one at which it counts for half."""

BACKWARDS = 0.5


class Sessions(Protocol):
    """Sessions to look for neighbours in."""

    @property
    def size(self) -> int:
        """One more than the highest item."""

    def holding(self, items: Ints) -> tuple[Ints, Ints]:
        """Return sessions that hold any of some items: positions in `items` and the sessions, int64 [m] each."""

    def of(self, sessions: Ints) -> Ints:
        """Return the items of some sessions, int64 [n, 50], the oldest first, 0 where a session is shorter."""


class LearntSessions:
    """Keeps the latest sessions in process, those under way included.

    A session is told by its first event, so no user need be known. One of more than 50 events goes on as another.
    """

    def __init__(self, capacity: int = 20_000, per_item: int = 200, gap_ms: float = GAP_MS) -> None:
        """Keep so many sessions, and so many of each item, the latest; a pause of `gap_ms` ends one."""
        self._capacity, self._per_item, self._gap_ms = capacity, per_item, gap_ms
        self._items = np.zeros((capacity, LONGEST), np.int32)
        self._lengths = np.zeros(capacity, np.int64)
        self._begun: dict[tuple[int, int], int] = {}
        self._next = 0
        self._holding = np.full((64, per_item), -1, np.int64)
        self._held = np.zeros(64, np.int64)

    @property
    def size(self) -> int:
        """One more than the highest item."""
        return len(self._held)

    def learn(self, user: UserState, item: int, weight: float) -> None:
        """Take in an event; see `Learner`."""
        self._append(self._session(user, item), item)

    def add(self, items: Ints) -> None:
        """Take in a session that is over: int64 [n], the oldest first; of a longer one the last 50."""
        session = self._next_session()
        for item in items[-LONGEST:].tolist():
            self._append(session, item)

    def _append(self, session: int, item: int) -> None:
        place, length = session % self._capacity, int(self._lengths[session % self._capacity])
        self._items[place, length] = item
        self._lengths[place] = length + 1
        if item >= len(self._held):
            self._make_room(item)
        self._holding[item, self._held[item] % self._per_item] = session
        self._held[item] += 1

    def holding(self, items: Ints) -> tuple[Ints, Ints]:
        """See `Sessions`."""
        known = np.where(items < len(self._held), items, 0)
        places, columns = np.nonzero(self._holding[known] >= max(self._next - self._capacity, 0))
        return places, self._holding[known[places], columns]

    def of(self, sessions: Ints) -> Ints:
        """See `Sessions`."""
        return np.asarray(self._items[sessions % self._capacity], np.int64)

    def _session(self, user: UserState, item: int) -> int:
        """Return the session that an event goes on with, or begins."""
        past = session_length(user, self._gap_ms)
        first = (int(user.times[past - 1]), int(user.items[past - 1])) if past else (user.now_ms, item)
        session = self._begun.get(first)
        is_over = session is None or session < self._next - self._capacity
        if session is None or is_over or self._lengths[session % self._capacity] == LONGEST:
            return self._begin(first)
        return session

    def _begin(self, first: tuple[int, int]) -> int:
        session = self._begun[first] = self._next_session()
        if len(self._begun) > 2 * self._capacity:
            self._begun = {key: one for key, one in self._begun.items() if one >= self._next - self._capacity}
        return session

    def _next_session(self) -> int:
        session = self._next
        self._next += 1
        self._items[session % self._capacity] = 0
        self._lengths[session % self._capacity] = 0
        return session

    def _make_room(self, item: int) -> None:
        more = 2 * item - len(self._held)
        self._holding = np.concatenate((self._holding, np.full((more, self._per_item), -1, np.int64)))
        self._held = np.concatenate((self._held, np.zeros(more, np.int64)))


def session_length(user: UserState, gap_ms: float = GAP_MS) -> int:
    """Return how many of the latest events belong to the session of this instant.

    >>> session_length(UserState(GAP_MS + 9, np.array([3, 2, 1]), np.array([GAP_MS + 5, GAP_MS + 4, 4])))
    2
    """
    if not len(user.times):
        return len(user.items)
    pauses = -np.diff(user.times, prepend=user.now_ms)
    over = np.flatnonzero(pauses >= gap_ms)
    return int(over[0]) if len(over) else len(user.items)


class SessionNeighbours:
    """Proposes what stands near the latest items in the sessions that share most of them.

    A session is the nearer, the more of the latest items it has, the later and the rarer they are. Of its items each scores
    that nearness times its closeness to the shared ones.
    """

    def __init__(
        self,
        sessions: Sessions,
        last: int = LAST,
        neighbours: int = NEIGHBOURS,
        near: float = NEAR,
        name: str = "session",
    ) -> None:
        """Look at so many latest items, and so many sessions; `near` steps away an item counts for half."""
        self._sessions, self._last, self._neighbours, self.name = sessions, last, neighbours, name
        steps = np.arange(LONGEST)[None, :] - np.arange(LONGEST)[:, None]
        closeness = near / (near + np.abs(steps))
        self._closeness = np.where(steps < 0, BACKWARDS * closeness, closeness).astype(np.float32)

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items."""
        latest = user.items[: self._last]
        latest = latest[first_of_each(latest)]
        places, sessions = self._sessions.holding(latest)
        if not len(sessions):
            return nothing_found()
        rarity = 1.0 / np.sqrt(np.maximum(np.bincount(places, minlength=len(latest)), 1))
        weights = (rarity / distances(user.times, len(latest))).astype(np.float32)
        distinct, place = np.unique(sessions, return_inverse=True)
        nearness = np.bincount(place, weights[places])
        nearest = best(nearness, self._neighbours)
        return self._found(latest, weights, distinct[nearest], nearness[nearest].astype(np.float32), k)

    def _found(self, latest: Ints, weights: Floats, sessions: Ints, nearness: Floats, k: int) -> Found:
        items = self._sessions.of(sessions)
        size = max(self._sessions.size, int(items.max()) + 1)
        value = np.zeros(size, np.float32)
        value[latest[latest < size]] = weights[latest < size]
        parts = (value[items] @ self._closeness) * nearness[:, None]
        scores = np.bincount(items.ravel(), parts.ravel(), minlength=size)
        scores[0] = 0.0
        top = best(scores, k)

        def because(item: int) -> Evidence:
            shares = (items == item).any(axis=1)
            behind = np.array([nearness[shares & (items == one).any(axis=1)].sum() for one in latest.tolist()])
            shared = latest[best(behind, BEHIND)]
            return Evidence("session", tuple(shared.tolist()), "people went on to it from", float(shares.sum()))

        return Found(top, scores[top].astype(np.float32), each(because))
