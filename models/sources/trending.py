"""What is on the rise: items whose events come faster now than over the last days."""

import numpy as np

from freshet.models.best import best
from freshet.models.sources.popular import Segment, everybody
from freshet.models.sources.rows import Rows
from freshet.models.sources.source import Found, found_by_number, nothing_found
from freshet.models.user_state import UserState

PRIOR = 5.0
"""Steady events that every item is credited with, so that a first event is not yet a trend."""

LEAST = 1.2
"""Growth below that is chance, or slow counts that are still filling up."""


class Trending:
    """Proposes what grows: (r fast + p) / (slow + p) of 1.2 and more, where r is how many times shorter the fast half-life is.

    Of an item whose events come steadily the slow count is r times the fast one, so its ratio is 1. The score is the ratio
    times the root of the fast count: of two items that grow alike the one that moves more people stands first.
    """

    name = "trending"

    def __init__(self, fast: Rows, slow: Rows, times_shorter: float, segment: Segment = everybody) -> None:
        """Take rows that hold the same events with two half-lives."""
        self._fast, self._slow, self._ratio, self._segment = fast, slow, times_shorter, segment

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items."""
        keys = self._segment(user)[:1]
        if not len(keys):
            return nothing_found()
        members, now = (part[0] for part in self._fast.of(keys))
        settled, before = (part[0] for part in self._slow.of(keys))
        slow = np.zeros(max(self._fast.size, self._slow.size), np.float32)
        slow[settled] = before
        growth = (self._ratio * now + PRIOR) / (np.maximum(slow[members], now) + PRIOR)
        scores = np.where((growth >= LEAST) & (members > 0), growth * np.sqrt(now), 0.0).astype(np.float32)
        top = best(scores, k)
        return found_by_number(members[top].astype(np.int64), scores[top], "trend", "on the rise", growth[top])
