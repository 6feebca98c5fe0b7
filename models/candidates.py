"""Which items are worth a score: those bought after the user's recent items, topped up with popular ones.

Training draws its examples from them and measures the model on them. What the job scores comes from the sources of a
placement (`panel.py`), of which the table of co-visits is one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models.npz import read_arrays

SOURCES = ("co-visit", "popular")
"""Names of the candidate sources; `Candidates.sources` holds positions in it."""

CO_VISIT, POPULAR = range(len(SOURCES))

POPULAR_SHARE = 0.4
"""Part of the candidates that is kept for popular items: co-visits alone find fewer of the items bought next."""


@dataclass(frozen=True, eq=False)
class CovisitTable:
    """For each item the items that most often follow it, best first.

    Attributes:
        neighbours: int32 [V + 1, K], item indices; 0 where an item has fewer than K neighbours, and all of row 0.
        scores: float32 [V + 1, K], above 0 where there is a neighbour and 0 where there is none.
    """

    neighbours: NDArray[np.int32]
    scores: NDArray[np.float32]

    @property
    def size(self) -> int:
        """One more than the highest item index."""
        return len(self.neighbours)

    def of(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the rows of some items: neighbours int32 [n, K], 0 for nobody, and their scores float32 [n, K]."""
        known = np.where(keys < self.size, keys, 0)
        return self.neighbours[known], self.scores[known]

    def totals(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return ones, float32 [n]: the scores are made from the totals already."""
        return np.ones(len(keys), np.float32)

    def write(self, path: Path) -> None:
        """Write the table as a compressed npz: `neighbours` uint16, `scores` float16.

        Raises:
            ValueError: there are more items than 16 bits can number.
        """
        if self.size > np.iinfo(np.uint16).max:
            raise ValueError(f"{self.size} items do not fit 16 bits")
        neighbours, scores = self.neighbours.astype(np.uint16), self.scores.astype(np.float16)
        np.savez_compressed(path, neighbours=neighbours, scores=scores)

    @classmethod
    def read(cls, path: Path) -> "CovisitTable":
        """Read a table back.

        Raises:
            ValueError: the file is not what `write` writes.
        """
        neighbours, scores = read_arrays(path, "neighbours", "scores", what="co-visit table")
        return cls(neighbours.astype(np.int32), scores.astype(np.float32))


class Candidates(NamedTuple):
    """Candidates of one user: co-visits by falling score (then by index), then popular items by rank.

    Attributes:
        indices: int64 [n], item indices, none twice, none of them among the recent items.
        sources: uint8 [n], positions in `SOURCES`.
        scores: float32 [n], the sum of the co-visit scores; 0 for popular items.
    """

    indices: NDArray[np.int64]
    sources: NDArray[np.uint8]
    scores: NDArray[np.float32]


def covisit_scores(recent_items: NDArray[np.int64], table: CovisitTable) -> NDArray[np.float64]:
    """Return the co-visit score of every item, float64 [V + 1]; 0 for the recent items themselves.

    Args:
        recent_items: int64 [n], item indices; 0 stands for nothing, and an item that comes twice counts twice.
        table: the neighbours.
    """
    neighbours, scores = table.neighbours[recent_items], table.scores[recent_items]
    totals = np.bincount(neighbours.ravel(), scores.ravel(), minlength=table.size).astype(np.float64, copy=False)
    totals[recent_items] = 0.0
    totals[0] = 0.0
    return totals


def candidates(recent_items: NDArray[np.int64], table: CovisitTable, popular: NDArray[np.int64], k: int) -> Candidates:
    """Return up to k candidates of one user.

    Args:
        recent_items: int64 [n], item indices, 0 for nothing; these are never candidates.
        table: the neighbours of every item.
        popular: int64 [m], item indices, the most popular first, none twice. Its first k + n items are looked at
            beyond those that are co-visits too.
        k: how many to return; fewer come only when the co-visits and the popular items do not suffice.
    """
    totals = covisit_scores(recent_items, table)
    found = np.flatnonzero(totals > 0)
    best = found[np.argsort(-totals[found], kind="stable")[: k - round(k * POPULAR_SHARE)]]
    taken = np.zeros(table.size, np.bool_)
    taken[recent_items] = True
    taken[best] = True
    head = popular[: 2 * k + len(recent_items)]
    fill = head[~taken[head]][: k - len(best)]
    return _joined(best, fill, totals[best])


def _joined(best: NDArray[np.int64], fill: NDArray[np.int64], totals: NDArray[np.float64]) -> Candidates:
    n = len(best)
    indices = np.concatenate((best, fill))
    sources = np.full(len(indices), POPULAR, np.uint8)
    sources[:n] = CO_VISIT
    scores = np.zeros(len(indices), np.float32)
    scores[:n] = totals
    return Candidates(indices, sources, scores)
