"""What is like the user's latest items by what the catalogue says of them: for items that nobody has touched yet."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from freshet.models.best import best
from freshet.models.sources.rows import distances
from freshet.models.sources.source import Evidence, Floats, Found, each, nothing_found
from freshet.models.user_state import Ints, UserState

LAST = 3

MOST = 500
"""Items that are remembered for one."""


class Alike(Protocol):
    """Knows which items are alike."""

    def nearest(self, item: int, k: int) -> tuple[Ints, Floats]:
        """Return at most k items with their likeness to one, from 0 to 1, the most alike first."""


class Content:
    """Proposes what is like the latest items: the likeness, divided by how far back the item is."""

    name = "content"

    def __init__(self, alike: Alike, last: int = LAST) -> None:
        """Look at so many latest items."""
        self._alike, self._last = alike, last

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items."""
        latest = user.items[: self._last]
        found = [self._alike.nearest(item, k) for item in latest.tolist()]
        if not any(len(items) for items, _ in found):
            return nothing_found()
        weights = 1.0 / distances(user.times, len(latest))
        members = np.concatenate([items for items, _ in found])
        parts = np.concatenate([weight * likeness for weight, (_, likeness) in zip(weights, found, strict=True)])
        origins = np.repeat(latest, [len(items) for items, _ in found])
        there, place = np.unique(members, return_inverse=True)
        scores = np.bincount(place, parts)
        scores[np.isin(there, latest)] = 0.0
        top = best(scores, k)

        def because(item: int) -> Evidence:
            mine = members == item
            order = np.argsort(-parts[mine], kind="stable")
            return Evidence("content", tuple(origins[mine][order].tolist()), "much like", float(parts[mine].max()))

        return Found(there[top], scores[top].astype(np.float32), each(because))


class KeptAlike:
    """Remembers what is like the items that were asked for, as long as the description of the catalogue is the same."""

    def __init__(self, now: Callable[[], Alike], kept: int = 10_000) -> None:
        """Take what gives the description as it stands now, and how many items to remember."""
        self._now, self._kept = now, kept
        self._alike: Alike | None = None
        self._found: dict[int, tuple[Ints, Floats]] = {}

    def nearest(self, item: int, k: int) -> tuple[Ints, Floats]:
        """See `Alike`."""
        alike = self._now()
        if alike is not self._alike or len(self._found) >= self._kept:
            self._alike, self._found = alike, {}
        if item not in self._found:
            self._found[item] = alike.nearest(item, MOST)
        items, likeness = self._found[item]
        return items[:k], likeness[:k]
