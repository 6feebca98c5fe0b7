"""What is new: the items whose first event was last."""

from typing import Protocol

import numpy as np

from freshet.models.features import DAY_MS
from freshet.models.sources.source import Found, found_by_number
from freshet.models.user_state import Ints, UserState

HALF_LIFE_MS = 3 * DAY_MS
REMEMBERED = 10_000


class FirstSeen(Protocol):
    """Knows when items were seen first."""

    def newest(self, k: int) -> tuple[Ints, Ints]:
        """Return at most k items and the instants of their first events, int64 [n] each, the newest first."""


class LearntFirstSeen:
    """Keeps the first event of each item in process."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        """Remember so many items, the newest."""
        self._at: dict[int, int] = {}
        self._known: set[int] = set()
        self._remembered = remembered

    def learn(self, user: UserState, item: int, weight: float) -> None:
        """Take in an event; see `Learner`."""
        if item in self._known:
            return
        self._known.add(item)
        self._at[item] = user.now_ms
        if len(self._at) > self._remembered:
            del self._at[next(iter(self._at))]

    def newest(self, k: int) -> tuple[Ints, Ints]:
        """See `FirstSeen`."""
        latest = [pair for pair, _ in zip(reversed(self._at.items()), range(k), strict=False)]
        pairs = np.array(latest, np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]


class Fresh:
    """Proposes new items: the score halves every three days."""

    name = "new"

    def __init__(self, first_seen: FirstSeen, half_life_ms: float = HALF_LIFE_MS) -> None:
        self._first_seen, self._half_life_ms = first_seen, half_life_ms

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items, the newest first; those of ten half-lives ago and more are not new."""
        items, at = self._first_seen.newest(k)
        ages = np.maximum(user.now_ms - at, 0)
        young = ages < 10 * self._half_life_ms
        items, ages = items[young], ages[young]
        scores = np.exp2(-ages / self._half_life_ms).astype(np.float32)
        return found_by_number(items, scores, "trend", "new", ages / DAY_MS)
