"""Blends what several sources found into one ranking, and learns from what users do next how much each source counts.

The score of an item is the sum over the sources of weight x its score there / the best score there. Which weights rank best
is found by climbing: beside the weights in use stand challengers that count one source twice or half as much, or bring in
one that counted for nothing. When a user's next item is known, all are judged by where they had it (1 / log2(1 + rank), the
gain of NDCG). A challenger that is better beyond chance takes the place, and new challengers stand around it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models.sources.source import Floats, Found, best
from freshet.models.user_state import Ints

Reals = NDArray[np.float64]

DEEPEST = 20
"""Ranks beyond this gain nothing."""

LISTS_AT_LEAST = 300
"""Lists that a challenger is judged by before it may win."""

BEYOND_CHANCE = 2.5
"""Standard errors by which it must be ahead."""

MEMORY = 5_000
"""Lists after which a gain counts for 1 / e."""

BROUGHT_IN = 0.2
"""Weight of a source that a challenger brings in."""

LEAST = 0.01
"""A source that counts for less is left out."""


class Pooled(NamedTuple):
    """What the sources say of each item that any of them found.

    Attributes:
        items: int64 [n], without those that are barred.
        scores: float32 [S, n], 1 for the best that a source found, 0 for what it did not find.
    """

    items: Ints
    scores: Floats


class Pooler:
    """Brings what the sources found together. For one thread; it keeps one array as long as the vocabulary."""

    def __init__(self) -> None:
        self._place = np.full(64, -1, np.int64)

    def pool(self, found: Sequence[Found], barred: Ints) -> Pooled:
        """Return all items that were found, but for barred ones."""
        highest = max([int(barred.max(initial=0)), *(int(one.items.max(initial=0)) for one in found)])
        if highest >= len(self._place):
            self._place = np.full(2 * highest, -1, np.int64)
        place = self._place
        everything = np.concatenate([one.items for one in found])
        place[everything] = 0
        place[barred] = -1
        items = np.unique(everything[place[everything] == 0])
        place[items] = np.arange(len(items))
        scores = np.zeros((len(found), len(items)), np.float32)
        for row, one in zip(scores, found, strict=True):
            places = place[one.items]
            there = places >= 0
            if there.any():
                row[places[there]] = one.scores[there] / one.scores[there].max()
        place[everything] = -1
        return Pooled(items, scores)


class Blend:
    """The weights of the sources, and what is being learnt about them."""

    def __init__(self, names: Sequence[str], weights: Reals, *, is_learning: bool = True) -> None:
        """Begin with some weights, float64 [S]; without learning they stay as they are."""
        self.names = tuple(names)
        self._is_learning = is_learning
        self._stand_around(np.asarray(weights, np.float64))

    @property
    def weights(self) -> Reals:
        """The weights in use, float64 [S]; the largest is 1."""
        return self._mixes[0]

    def ranked(self, pooled: Pooled, k: int) -> tuple[Ints, Reals]:
        """Return the positions in the pool of the best k, and their scores, best first."""
        scores = self.weights @ pooled.scores
        top = best(scores, k)
        return top, scores[top]

    def learn(self, pooled: Pooled, item: int) -> None:
        """Judge the weights by where they had the item that the user took next."""
        if not self._is_learning:
            return
        place = np.flatnonzero(pooled.items == item)
        if len(place):
            scores = self._mixes.astype(np.float32) @ pooled.scores
            ranks = 1 + (scores > scores[:, place]).sum(axis=1)
            gains = np.where((ranks <= DEEPEST) & (scores[:, place[0]] > 0), 1.0 / np.log2(1.0 + ranks), 0.0)
            ahead = gains - gains[0]
        else:
            ahead = np.zeros(len(self._mixes))
        keep = 1.0 - 1.0 / MEMORY
        self._lists += 1
        self._sum, self._squares = self._sum * keep + ahead, self._squares * keep + ahead**2
        if self._lists >= LISTS_AT_LEAST and self._lists % 50 == 0:
            self._judge()

    def _judge(self) -> None:
        surely = self._sum - BEYOND_CHANCE * np.sqrt(self._squares)
        winner = int(np.argmax(surely))
        if surely[winner] > 0:
            self._stand_around(self._mixes[winner])

    def _stand_around(self, weights: Reals) -> None:
        weights = weights / weights.max()
        weights[weights < LEAST] = 0.0
        self._mixes = np.unique(np.stack([weights, *_challengers(weights)]), axis=0)
        first = np.flatnonzero((self._mixes == weights).all(axis=1))[0]
        self._mixes[[0, first]] = self._mixes[[first, 0]]
        self._sum, self._squares = np.zeros(len(self._mixes)), np.zeros(len(self._mixes))
        self._lists = 0


def _challengers(weights: Reals) -> list[Reals]:
    challengers = []
    for source, weight in enumerate(weights):
        for changed in (weight / 2, weight * 2) if weight else (BROUGHT_IN,):
            other = weights.copy()
            other[source] = changed
            challengers.append(other / other.max())
        if weight and np.count_nonzero(weights) > 1:
            without = weights.copy()
            without[source] = 0.0
            challengers.append(without / without.max())
    return challengers
