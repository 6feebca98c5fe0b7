"""What an evaluation, or a recommender in one process, keeps of its users in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from freshet.models.user_state import NOTHING, Ints, UserState

KEPT = 256
"""Latest events of a user that sources see."""


@dataclass
class _Kept:
    """A user's events, written from the end of two arrays to their front, so that the newest stand first."""

    items: Ints = field(default_factory=lambda: np.zeros(16, np.int64))
    times: Ints = field(default_factory=lambda: np.zeros(16, np.int64))
    first: int = 16
    history: dict[int, None] = field(default_factory=dict)
    array: Ints | None = None


class UserStates:
    """Keeps each user's latest events, and every item that he has had."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._users: dict[str, _Kept] = {}

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self._users)

    def state(
        self, user: str, now_ms: int, context: Mapping[str, str] | None = None, group: str | None = None
    ) -> UserState:
        """Return what is known of a user at an instant. It stays as it is when events are added later."""
        kept = self._users.get(user)
        if kept is None:
            return UserState(now_ms, context=context or {}, group=group)
        newest = slice(kept.first, kept.first + self._kept)
        return UserState(now_ms, kept.items[newest], kept.times[newest], context=context or {}, group=group)

    def add(self, user: str, item: int, at_ms: int) -> None:
        """Add an event; one that is older than the user's newest counts as if it came after it."""
        kept = self._users.get(user)
        if kept is None:
            kept = self._users[user] = _Kept()
        elif kept.history:
            at_ms = max(at_ms, int(kept.times[kept.first]))
        if kept.first == 0:
            self._move(kept)
        kept.first -= 1
        kept.items[kept.first], kept.times[kept.first] = item, at_ms
        if item not in kept.history:
            kept.history[item] = None
            kept.array = None

    def history(self, user: str) -> Ints:
        """Return every item that the user has had, once each, in the order of the first time."""
        kept = self._users.get(user)
        if kept is None:
            return NOTHING
        if kept.array is None:
            kept.array = np.fromiter(kept.history, np.int64, len(kept.history))
        return kept.array

    def has(self, user: str, item: int) -> bool:
        """Tell whether the user has had an item."""
        kept = self._users.get(user)
        return kept is not None and item in kept.history

    def _move(self, kept: _Kept) -> None:
        """Give a user new arrays with his latest events at their end; states that were handed out keep the old ones."""
        n = min(len(kept.items), self._kept)
        length = min(4 * n, n + 4 * self._kept)
        items, times = np.zeros(length, np.int64), np.zeros(length, np.int64)
        items[length - n :], times[length - n :] = kept.items[:n], kept.times[:n]
        kept.items, kept.times, kept.first = items, times, length - n
