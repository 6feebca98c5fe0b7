"""What a list is worth beside its accuracy: how many items are shown, how novel, how varied, how evenly spread."""

from dataclasses import dataclass

import numpy as np
from movielens import Floats, Ints
from numpy.typing import NDArray


@dataclass(frozen=True)
class Beside:
    """Means over lists of 10.

    Attributes:
        coverage: the share of all items that were on a list at least once.
        novelty: mean of -log2 of the share of an item's events among all events, bits; larger is less known.
        diversity: mean over pairs of a list of 1 - the Jaccard likeness of their genres.
        gini: of how often each item was shown: 0 is all alike, 1 is one item alone.
    """

    coverage: float
    novelty: float
    diversity: float
    gini: float


def beside(lists: Ints, counts: Ints, genres: NDArray[np.bool_]) -> Beside:
    """Measure lists of items, int64 [n, 10]; `counts` are the items' events, int64 [V], `genres` bool [V, G]."""
    shown = np.bincount(lists.ravel(), minlength=len(counts))
    bits = -np.log2(np.maximum(counts, 1) / counts.sum())
    return Beside(
        float(np.mean(shown > 0)), float(bits[lists].mean()), float(diversity(lists, unlike(genres))), gini(shown)
    )


def unlike(genres: NDArray[np.bool_]) -> Floats:
    """Return 1 - the Jaccard likeness of each two items' genres: [V, V].

    >>> unlike(np.array([[True, True], [True, False]]))
    array([[0. , 0.5],
           [0.5, 0. ]])
    """
    ones = genres.astype(np.float64)
    both, sizes = ones @ ones.T, ones.sum(axis=1)
    either = sizes[:, None] + sizes - both
    return np.asarray(1 - np.divide(both, either, out=np.zeros_like(both), where=either > 0))


def diversity(lists: Ints, distances: Floats) -> float:
    """Return the mean distance of two items of one list."""
    first, second = np.triu_indices(lists.shape[1], 1)
    return float(np.mean([distances[one[first], one[second]].mean() for one in lists]))


def gini(shown: Ints) -> float:
    """Return the Gini coefficient of how often each item was shown.

    >>> gini(np.array([1, 1, 1, 1])), gini(np.array([0, 0, 0, 4]))
    (0.0, 0.75)
    """
    rising = np.sort(shown)
    place = np.arange(1, len(shown) + 1)
    return float((2 * place - len(shown) - 1) @ rising / (len(shown) * rising.sum()))
