"""Determinantal point processes: the set of items with the largest volume, quality being length and likeness the angle."""

from collections import deque

import numpy as np

from freshet.models.compiled import INT, REAL32, array, compiled, written
from freshet.models.reranking.pool import Floats

OWN = 1e-3
"""Part of an item that is like no other, even one with the same vector: it keeps the kernel regular, so that a list may be
longer than the vectors, and of two equal items the better one comes first."""

LOWEST = -30.0
"""Logarithm of the smallest length of a vector; shorter ones would leave float32."""


def lengths(quality: Floats, weight: float) -> Floats:
    """Return the lengths of the vectors, float32 [n]: exp(a * quality) with a = weight / (2 * (1 - weight)).

    With them log det of the kernel goes as weight * (sum of quality) + (1 - weight) * log det(likeness). Chen et al. 2018.
    """
    exponent = np.float32(weight / (2 * (1 - weight)))
    found: Floats = np.exp(np.maximum(exponent * (quality - 1), np.float32(LOWEST)))
    return found


class Dpp:
    """Orders by how much an item adds to the determinant of the kernel of those above: the fast greedy MAP.

    Chen, Zhang and Zhou, "Fast greedy MAP inference for determinantal point process", NeurIPS 2018, with L D L^T in the
    place of the Cholesky factor, which needs no root. The kernel is L = rows.T @ rows + OWN * diag; below the vectors come
    the columns of its factor, one for each place that is taken, and `scales` is -1 / D for these.

    Attributes:
        gains: float32 [n], the factor by which the determinant grows; -inf for what was taken.
        alone: float32 [n], what it would be for the first place.
        rows: float32 [d + places, n].
        scales: float32 [d + places], 1 for the vectors.
    """

    def __init__(self, quality: Floats, vectors: Floats, weight: float, places: int) -> None:
        """Take quality, float32 [n], vectors of length 1, float32 [n, d], theta, and how many places there are."""
        size, self.width = vectors.shape
        length = lengths(quality, weight)
        self.rows = np.empty((self.width + places, size), np.float32)
        np.multiply(vectors.T, length, out=self.rows[: self.width])
        self.scales = np.ones(self.width + places, np.float32)
        self.alone = length * length * np.float32(1 + OWN)
        self.gains = np.where(quality > -np.inf, self.alone, np.float32(-np.inf))
        self._taken = 0

    def take(self, position: int) -> None:
        """Take it that a candidate has the next place."""
        take(self.gains, self.alone, self.rows, self.scales, self.width, self._taken, position)
        self._taken += 1


@compiled((written(REAL32), array(REAL32), written(REAL32, 2), written(REAL32), INT, INT, INT))
def take(gains: Floats, alone: Floats, rows: Floats, scales: Floats, width: int, taken: int, position: int) -> None:
    """Take it that a candidate has the place behind those that are taken; see `Dpp` for the arrays, which change."""
    used = width + taken
    if used < len(rows):
        left = gains[position]
        if not left > 0:  # a pinned item: it never had a gain to look up
            left = alone[position]
            for row in range(width, used):
                left += scales[row] * rows[row, position] * rows[row, position]
            left = max(left, np.float32(OWN / (1 + OWN)) * alone[position])
        new = rows[used]
        new[:] = 0.0
        for row in range(used):
            factor, old = scales[row] * rows[row, position], rows[row]
            for at in range(len(new)):
                new[at] += factor * old[at]
        scales[used] = scale = np.float32(-1.0) / left
        for at in range(len(new)):
            gains[at] += scale * new[at] * new[at]
    gains[position] = -np.inf


class WindowedDpp:
    """Orders by how much an item adds to the determinant of the kernel of its last neighbours: for lists that scroll.

    The window slides, so its factor is not updated but made anew: it is as small as the window.

    Attributes:
        gains: float32 [n]; -inf for what was taken.
    """

    def __init__(self, quality: Floats, vectors: Floats, weight: float, among: int) -> None:
        """Take quality, float32 [n], vectors of length 1, float32 [n, d], theta, and the neighbours, from 2."""
        length = lengths(quality, weight)
        self._vectors = vectors
        self._squares = length * length
        self._free = quality > -np.inf
        self._near: deque[int] = deque(maxlen=among - 1)
        self._likeness: deque[Floats] = deque(maxlen=among - 1)
        self.gains = np.where(self._free, self._squares, np.float32(-np.inf))

    def take(self, position: int) -> None:
        """Take it that a candidate has the next place."""
        self._free[position] = False
        self._near.append(position)
        self._likeness.append(self._vectors @ self._vectors[position])
        rows = np.stack(self._likeness)
        kernel = rows[:, list(self._near)] + OWN * np.eye(len(rows), dtype=np.float32)
        kept = (1 + OWN) - np.einsum("wn,wn->n", rows, np.linalg.solve(kernel, rows))
        self.gains = np.where(self._free, self._squares * kept, np.float32(-np.inf))
