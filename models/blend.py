"""Blends what several sources found into one ranking, and learns from what users do next how much each source counts.

The score of an item is the sum over the sources of weight x its score there / the best score there. Which weights rank best
is found by climbing: beside the weights in use stand challengers that count one source twice or half as much, or bring in
one that counted for nothing. When a user's next item is known, all are judged by where they had it (1 / log2(1 + rank), the
gain of NDCG). A challenger that is better beyond chance takes the place, and new challengers stand around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models.best import best
from freshet.models.sources.source import Floats, Found
from freshet.models.user_state import Ints

Reals = NDArray[np.float64]

DEEPEST = 20
"""Ranks beyond this gain nothing."""

LISTS_AT_LEAST = 300
"""Lists that a challenger is judged by before it may win."""

JUDGED_EVERY = 50

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


@dataclass
class _Contest:
    """Weights and their challengers, with how far each is ahead.

    Attributes:
        mixes: float64 [M, S], the weights in use first.
        ahead: float64 [M], sums of the gains less those of the weights in use.
        squares: float64 [M], sums of the squares of these differences.
        lists: how many were judged.
    """

    mixes: Reals
    ahead: Reals
    squares: Reals
    lists: int = 0

    @classmethod
    def around(cls, weights: Reals) -> "_Contest":
        """Begin one around weights."""
        weights = np.where(weights < LEAST * weights.max(), 0.0, weights / weights.max())
        mixes = np.stack([weights, *_challengers(weights)])
        return cls(mixes, np.zeros(len(mixes)), np.zeros(len(mixes)))

    def judge(self, ahead: Reals) -> None:
        """Take in by how much each was ahead for one list."""
        keep = 1.0 - 1.0 / MEMORY
        self.ahead, self.squares = self.ahead * keep + ahead, self.squares * keep + ahead**2
        self.lists += 1

    def winner(self) -> Reals | None:
        """Return the weights that are better than those in use beyond chance, if any are."""
        surely = self.ahead - BEYOND_CHANCE * np.sqrt(self.squares)
        best_mix = int(np.argmax(surely))
        return np.asarray(self.mixes[best_mix]) if surely[best_mix] > 0 else None


class Blend:
    """The weights of the sources, and what is being learnt about them."""

    def __init__(self, names: Sequence[str], weights: Reals, *, is_learning: bool = True) -> None:
        """Begin with some weights, float64 [S]; without learning they stay as they are."""
        self.names = tuple(names)
        self._is_learning = is_learning
        self._contest = _Contest.around(weights)

    @property
    def weights(self) -> Reals:
        """The weights in use, float64 [S]; the largest is 1."""
        return np.asarray(self._contest.mixes[0])

    def ranked(self, pooled: Pooled, k: int) -> tuple[Ints, Reals]:
        """Return the positions in the pool of the best k, and their scores, best first."""
        scores = self.weights @ pooled.scores
        top = best(scores, k)
        return top, scores[top]

    def learn(self, pooled: Pooled, item: int) -> None:
        """Judge the weights by where they had the item that the user took next."""
        place = np.flatnonzero(pooled.items == item)
        if not self._is_learning or not len(place):
            return
        scores = self._contest.mixes.astype(np.float32) @ pooled.scores
        ranks = 1 + (scores > scores[:, place]).sum(axis=1)
        gains = np.where((ranks <= DEEPEST) & (scores[:, place[0]] > 0), 1.0 / np.log2(1.0 + ranks), 0.0)
        self._contest.judge(gains - gains[0])
        lists = self._contest.lists
        if lists >= LISTS_AT_LEAST and lists % JUDGED_EVERY == 0 and (winner := self._contest.winner()) is not None:
            self._contest = _Contest.around(winner)


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
