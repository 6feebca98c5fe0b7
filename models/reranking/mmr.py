"""Maximal marginal relevance: score against the likeness to the most alike item above."""

import numpy as np

from freshet.models.reranking.pool import Floats


class Mmr:
    """Orders by weight * quality - (1 - weight) * (highest cosine with an item above).

    Carbonell and Goldstein, SIGIR 1998. An update costs one product of the vectors with the newest one.

    Attributes:
        gains: float32 [n]; -inf for what was taken.
    """

    def __init__(self, quality: Floats, vectors: Floats, weight: float) -> None:
        """Take quality, float32 [n], vectors of length 1, float32 [n, d], and the weight of quality, 0 to 1."""
        self._vectors = vectors
        self._share = np.float32(1 - weight)
        self._own = quality * np.float32(weight)
        self._likeness = np.full(len(quality), -self._share, np.float32)
        self.gains = self._own.copy()

    def take(self, position: int) -> None:
        """Take it that a candidate has the next place."""
        self._own[position] = -np.inf
        near = self._vectors @ (self._vectors[position] * self._share)
        np.maximum(self._likeness, near, out=self._likeness)
        np.subtract(self._own, self._likeness, out=self.gains)
