"""Learns factors of items from who had what, by alternating least squares for implicit feedback.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008: every pair of a user and an item
is an observation, 1 where he had it and 0 where not, and what he had counts `1 + confidence` times.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from freshet.models.npz import read_arrays
from freshet.models.sources.source import Floats
from freshet.models.user_state import Ints, Reals

WIDTH = 32
SWEEPS = 12
CONFIDENCE = 5.0
REGULARISATION = 100.0


@dataclass(frozen=True, eq=False)
class Factors:
    """What was learnt of the items; a user's factors follow from the items that he has.

    Attributes:
        items: float32 [V + 1, d]; row 0 is zero.
        confidence: how much more what a user has counts than what he has not.
        regularisation: the weight of the squares of the factors.
    """

    items: Floats
    confidence: float = CONFIDENCE
    regularisation: float = REGULARISATION

    @classmethod
    def none(cls, size: int) -> "Factors":
        """Return factors of so many items that say nothing."""
        return cls(np.zeros((size + 1, 1), np.float32))

    @cached_property
    def pulls(self) -> Floats:
        """What each item does to the factors of who has it: Y (Y'Y + rI)^-1, float32 [V + 1, d]."""
        items = self.items.astype(np.float64)
        return np.asarray(np.linalg.solve(_gram(items, self.regularisation), items.T).T, np.float32)

    def weights(self, had: Ints) -> Floats:
        """Return how much each of n distinct items counts, float32 [n]: `weights @ pulls[had]` are the user's factors.

        With H the rows of the n items, the user's factors solve (Y'Y + rI + cH'H) x = (1 + c) H'1. These are n equations as
        well as d: x = pulls' w, where (I + cK) w = (1 + c) 1, and K = pulls H', the pulls being those of the n.
        """
        kernel = self.pulls[had].astype(np.float64) @ self.items[had].T
        left, right = np.eye(len(had)) + self.confidence * kernel, np.full(len(had), 1 + self.confidence)
        return np.asarray(np.linalg.solve(left, right), np.float32)

    def write(self, path: Path) -> None:
        """Write them as a compressed npz, the factors as halves."""
        settings = np.array([self.confidence, self.regularisation])
        np.savez_compressed(path, items=self.items.astype(np.float16), settings=settings)

    @classmethod
    def read(cls, path: Path) -> "Factors":
        """Read them back.

        Raises:
            ValueError: the file is not what `write` writes.
        """
        items, settings = read_arrays(path, "items", "settings", what="factors")
        confidence, regularisation = settings.tolist()
        return cls(items.astype(np.float32), confidence, regularisation)


def learn_factors(
    users: Ints,
    items: Ints,
    size: int,
    *,
    width: int = WIDTH,
    sweeps: int = SWEEPS,
    confidence: float = CONFIDENCE,
    regularisation: float = REGULARISATION,
    seed: int = 0,
) -> Factors:
    """Return the factors of items 1 .. size.

    Args:
        users: int64 [n], who, from 0.
        items: int64 [n], what each had; a pair that comes twice counts once, and item 0 is left out.
        size: of the vocabulary.
        width: factors of each.
        sweeps: how often users and items are worked out in turn.
        confidence: how much more what a user has counts than what he has not.
        regularisation: the weight of the squares of the factors.
        seed: fixes where the search begins.
    """
    known = items > 0
    pairs = np.unique(np.stack((users[known], items[known]), axis=1), axis=0)
    people = int(pairs[:, 0].max(initial=-1)) + 1
    by_user, by_item = pairs, pairs[np.argsort(pairs[:, 1], kind="stable")][:, ::-1]
    factors = np.random.default_rng(seed).standard_normal((size + 1, width)) / width
    factors[0] = 0.0
    for _ in range(sweeps):
        of_users = _solved(by_user, factors, people, confidence, regularisation)
        factors = _solved(by_item, of_users, size + 1, confidence, regularisation)
    return Factors(factors.astype(np.float32), confidence, regularisation)


def _solved(pairs: Ints, others: Reals, count: int, confidence: float, regularisation: float) -> Reals:
    """Return the best factors of one side for those of the other, float64 [count, d]; zero for who has nothing.

    `pairs`, int64 [n, 2], are in order of the first: one of this side and one of the other.
    """
    gram, solved = _gram(others, regularisation), np.zeros((count, others.shape[1]))
    ends = np.searchsorted(pairs[:, 0], np.arange(count + 1))
    for one in np.flatnonzero(np.diff(ends)).tolist():
        had = others[pairs[ends[one] : ends[one + 1], 1]]
        solved[one] = np.linalg.solve(gram + confidence * (had.T @ had), (1 + confidence) * had.sum(axis=0))
    return solved


def _gram(factors: Reals, regularisation: float) -> Reals:
    return np.asarray(factors.T @ factors + regularisation * np.eye(factors.shape[1]))
