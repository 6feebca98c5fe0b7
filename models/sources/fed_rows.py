"""Rows that the trends job keeps, as sources read them."""

from collections.abc import Callable

import numpy as np

from freshet.models.sources.rows import Members
from freshet.models.sources.source import Floats
from freshet.models.sources.together import Reals
from freshet.models.sources.together import Rows as BasketRows
from freshet.models.user_state import Ints
from freshet.udfs.trend_reader import RowMatrix


class FedRows:
    """The rows of one trend with one of its half-lives, as of now."""

    def __init__(self, matrix: RowMatrix, now_ms: Callable[[], int], half_life: int = 0) -> None:
        """Take the matrix that a feed keeps current, the clock, and which of the trend's half-lives."""
        self._matrix, self._now_ms, self._half_life = matrix, now_ms, half_life

    @property
    def size(self) -> int:
        """One more than the highest member."""
        return len(self._matrix.as_of)

    def of(self, keys: Ints) -> tuple[Members, Floats]:
        """Return the rows of some keys: members int32 [n, K] with 0 for nobody, and their counts float32 [n, K]."""
        return self._matrix.rows(self._there(keys), self._now_ms(), self._half_life)

    def totals(self, keys: Ints) -> Floats:
        """Return how often each key was counted itself, decayed: float32 [n]."""
        return self._matrix.totals_of(self._there(keys), self._now_ms(), self._half_life)

    def _there(self, keys: Ints) -> Ints:
        return keys if keys.max(initial=0) < self.size else np.where(keys < self.size, keys, 0)


class FedBaskets:
    """The counts of baskets that the trends job keeps, as association rules read them."""

    def __init__(self, together: FedRows, baskets: FedRows) -> None:
        """Take the rows of items, whose totals are their baskets, and the one row whose total is all baskets."""
        self._together, self._baskets = together, baskets

    @property
    def baskets(self) -> float:
        """Baskets in all."""
        return float(self._baskets.totals(np.array([1]))[0])

    def totals(self, items: Ints) -> Reals:
        """Return in how many baskets each item was, float64, shaped as the items."""
        return self._together.totals(items.ravel()).astype(np.float64).reshape(items.shape)

    def rows(self, items: Ints) -> BasketRows:
        """Return with what each item was bought, and how often."""
        members, counts = self._together.of(items)
        return BasketRows(members.astype(np.int64), counts.astype(np.float64))
