"""Matrix factors: what fits the user's factors, which are worked out from his latest items when a list is made.

So an event counts at once, and who came after the training has factors too.
"""

import numpy as np

from freshet.models.best import best
from freshet.models.factors import Factors
from freshet.models.sources.source import Evidence, Found, each, nothing_found
from freshet.models.sources.towers import ExactIndex
from freshet.models.user_state import UserState

NAME = "als"
LAST = 50
STRONGEST = 3


class Als:
    """Proposes the items of the highest estimates, of those that the user does not have."""

    name = NAME

    def __init__(self, factors: Factors, last: int = LAST) -> None:
        """Take what was learnt, and how many of the latest items to look at."""
        self._factors, self._last = factors, last
        self._index = ExactIndex(factors.items)

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items; nothing for a user of whom no known item is known.

        The estimate of an item is a sum over the items that the user has, so these parts are its evidence (section 5 of
        the paper that `factors.py` names).
        """
        factors = self._factors
        had = np.unique(user.items[: self._last])
        had = had[(had > 0) & (had < len(factors.items))]
        if not len(had):
            return nothing_found()
        pulls = factors.weights(had)[:, None] * factors.pulls[had]
        items, estimates = self._index.nearest(pulls.sum(axis=0), k + len(had))
        new = np.flatnonzero(~np.isin(items, had))[:k]

        def because(item: int) -> Evidence:
            parts = pulls @ factors.items[item]
            behind = had[best(parts, STRONGEST)]
            return Evidence("vector", tuple(behind.tolist()), "in taste near", float(parts.sum()))

        return Found(items[new], estimates[new], each(because))
