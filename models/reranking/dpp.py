"""Determinantal point processes: the set of items with the largest volume, quality being length and likeness the angle."""

from collections import deque

import numpy as np

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
    place of the Cholesky factor, which needs no root. An update is one product of [d + places above] rows with n columns.

    Attributes:
        gains: float32 [n], the factor by which the determinant grows; -inf for what was taken.
    """

    def __init__(self, quality: Floats, vectors: Floats, weight: float, places: int) -> None:
        """Take quality, float32 [n], vectors of length 1, float32 [n, d], theta, and how many places there are."""
        size, width = vectors.shape
        length = lengths(quality, weight)
        # The kernel is L = rows.T @ rows + OWN * diag; below the vectors come the columns of its factor, twice: as they
        # are in `_rows`, and divided by -D in `_columns`, so that one product gives the next one.
        self._rows = np.empty((width + places, size), np.float32)
        self._columns = np.empty((size, width + places), np.float32)
        np.multiply(vectors, length[:, None], out=self._columns[:, :width])
        self._rows[:width] = self._columns[:, :width].T
        self._scratch = np.empty(size, np.float32)
        self._used = width
        self._places = places
        self._alone = length * length * np.float32(1 + OWN)
        self.gains = np.where(quality > -np.inf, self._alone, np.float32(-np.inf))

    def take(self, position: int) -> None:
        """Take it that a candidate has the next place."""
        used = self._used
        if used < len(self._rows):
            row, column = self._rows[used], self._columns[:, used]
            np.dot(self._columns[position, :used], self._rows[:used], out=row)
            np.multiply(row, -1 / self._left(position), out=column)
            np.multiply(row, column, out=self._scratch)
            np.add(self.gains, self._scratch, out=self.gains)
            self._used = used + 1
        self.gains[position] = -np.inf

    def _left(self, position: int) -> float:
        if (gain := float(self.gains[position])) > 0:
            return gain
        above = slice(len(self._rows) - self._places, self._used)  # a pinned item: it never had a gain to look up
        taken = np.dot(self._rows[above, position], self._columns[position, above])
        return max(float(self._alone[position] + taken), OWN * float(self._alone[position]) / (1 + OWN))


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
