"""What is bought together: association rules between the items of one basket, counted as the baskets come in.

Of N baskets, n_i hold item i and n_ij hold both i and j. The rule i -> j has the support n_ij / N, the confidence
n_ij / n_i and the lift n_ij N / (n_i n_j) (Agrawal, Imielinski and Swami, SIGMOD 1993). Candidates rank by the cosine
n_ij / sqrt(n_i n_j), the root of confidence i -> j times confidence j -> i: confidence alone proposes what everybody
buys, lift alone what two people have bought.
"""

from collections import Counter, defaultdict
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from freshet.models.best import best
from freshet.models.sources.source import Evidence, Found, each
from freshet.models.user_state import Ints, UserState

Reals = NDArray[np.float64]

KEPT = 200
"""Members kept of an item's row."""

LEAST_TOGETHER = 3.0
"""Baskets that two items must have shared for a rule: fewer are chance."""

LEADER_PRIOR = 5.0
FOLLOWER_PRIOR = 20.0
"""Baskets that every item is credited with, so that what was counted seldom is not strong."""

BASKET = 30
"""Items of a cart that are looked at, the last ones put in."""

LARGEST = 60
"""Items of a basket that are counted together; the pairs of a larger one say little and cost much."""


class Rule(NamedTuple):
    """The rule between two items: the counts behind it, and what follows from them."""

    leader: int
    follower: int
    support: float
    confidence: float
    lift: float


class Rows(NamedTuple):
    """Rows of some leaders: members int64 [n, K], padded with 0, and the baskets shared with each, float64 [n, K]."""

    members: Ints
    counts: Reals


class BasketCounts(Protocol):
    """Counts of baskets, by item and by pair; in process (`BasketRules`) or a matrix that a job keeps current."""

    @property
    def baskets(self) -> float:
        """Baskets in all."""

    def totals(self, items: Ints) -> Reals:
        """Return in how many baskets each item was, float64, shaped as the items."""

    def rows(self, items: Ints) -> Rows:
        """Return with what each item was bought, and how often."""


class BasketRules:
    """Counts baskets in process: one row of members for each item, pruned to those whose cosine is largest."""

    def __init__(self, items: int, kept: int = KEPT) -> None:
        """Count items 1 .. items; a row holds at least `kept` members, and at most twice as many."""
        self._kept = kept
        self._baskets = 0
        self._totals = np.zeros(items + 1)
        self._pairs: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._arrays: dict[int, tuple[Ints, Reals]] = {}

    @property
    def baskets(self) -> float:
        """Baskets in all."""
        return float(self._baskets)

    def learn(self, basket: Ints) -> None:
        """Count a basket: indices from 1, each once."""
        members = basket.tolist()
        self._baskets += 1
        self._totals[basket] += 1.0
        if not 1 < len(members) <= LARGEST:
            return
        for item in members:
            row = self._pairs[item]
            row.update(members)
            self._arrays.pop(item, None)
            if len(row) > 2 * self._kept:
                self._prune(row)

    def totals(self, items: Ints) -> Reals:
        """Return in how many baskets each item was, float64, shaped as the items."""
        return np.asarray(self._totals[items])

    def rows(self, items: Ints) -> Rows:
        """Return with what each item was bought, and how often."""
        found = [self._row(item) for item in items.tolist()]
        width = max((len(members) for members, _ in found), default=0)
        members, counts = np.zeros((len(found), width), np.int64), np.zeros((len(found), width))
        for number, (ids, together) in enumerate(found):
            members[number, : len(ids)] = ids
            counts[number, : len(ids)] = together
        return Rows(members, counts)

    def _row(self, item: int) -> tuple[Ints, Reals]:
        if (arrays := self._arrays.get(item)) is None:
            row = self._pairs.get(item, Counter())
            members, counts = np.fromiter(row, np.int64, len(row)), np.fromiter(row.values(), np.float64, len(row))
            arrays = self._arrays[item] = (members[members != item], counts[members != item])
        return arrays

    def _prune(self, row: Counter[int]) -> None:
        members, counts = np.fromiter(row, np.int64, len(row)), np.fromiter(row.values(), np.float64, len(row))
        strength = counts / np.sqrt(self._totals[members] + FOLLOWER_PRIOR)
        for member in members[np.argpartition(-strength, self._kept)[self._kept :]].tolist():
            del row[member]


class Strengths(NamedTuple):
    """What the items of a basket say together of every other item; all arrays are float64 [V].

    Attributes:
        cosine: the smoothed cosine, mean over the basket; 0 for what is in the basket, and for index 0.
        confidence: the largest smoothed confidence of one rule.
        lift: log(1 + smoothed lift), mean over the basket.
    """

    cosine: Reals
    confidence: Reals
    lift: Reals


def strengths(counts: BasketCounts, basket: Ints, size: int, least: float = LEAST_TOGETHER) -> Strengths:
    """Return what the rules of a basket say of items 0 .. size - 1; rules with fewer than `least` baskets are left out."""
    members, confidence, followers = _smoothed(counts, basket, least)
    lift = np.log1p(confidence * counts.baskets / followers)
    strongest = np.zeros(size)
    np.maximum.at(strongest, members.ravel(), confidence.ravel())
    lifts = np.bincount(members.ravel(), (lift / max(len(basket), 1)).ravel(), size).astype(np.float64)
    strongest[basket] = strongest[0] = lifts[basket] = lifts[0] = 0.0
    return Strengths(cosines(counts, basket, size, least), strongest, lifts)


def cosines(
    counts: BasketCounts, basket: Ints, size: int, least: float = LEAST_TOGETHER, weights: Reals | None = None
) -> Reals:
    """Return the smoothed cosines of a basket with items 0 .. size - 1, float64 [size], as `Strengths` has them.

    With `weights`, float64 [n], it is their weighted sum over the basket and not the mean.
    """
    members, confidence, followers = _smoothed(counts, basket, least)
    if weights is None:
        weights = np.full(len(basket), 1.0 / max(len(basket), 1))
    each = confidence * np.sqrt((counts.totals(basket)[:, None] + LEADER_PRIOR) / followers) * weights[:, None]
    sums = np.bincount(members.ravel(), each.ravel(), size)
    sums[basket] = sums[0] = 0.0
    return np.asarray(sums)


def _smoothed(counts: BasketCounts, basket: Ints, least: float) -> tuple[Ints, Reals, Reals]:
    # Members and the smoothed confidence of each rule, [n, K], and how often each member is bought, smoothed.
    members, together = counts.rows(basket)
    together = np.where(together >= least, together, 0.0)
    confidence = together / (counts.totals(basket)[:, None] + LEADER_PRIOR)
    return members, confidence, counts.totals(members) + FOLLOWER_PRIOR


def rules(counts: BasketCounts, basket: Ints, follower: int, least: float = LEAST_TOGETHER) -> list[Rule]:
    """Return the rules from the items of a basket to one item, the most confident first, as counted and not smoothed."""
    members, together = counts.rows(basket)
    shared = np.where(members == follower, together, 0.0).sum(axis=1)
    leaders = counts.totals(basket)
    n_follower, n = float(counts.totals(np.array([follower]))[0]), counts.baskets
    found = [
        Rule(item, follower, _share(n_ij, n), n_ij / n_i, _share(n_ij * n, n_i * n_follower))
        for item, n_ij, n_i in zip(basket.tolist(), shared.tolist(), leaders.tolist(), strict=True)
        if n_ij >= least
    ]
    return sorted(found, key=lambda rule: (-rule.confidence, rule.leader))


def _share(part: float, whole: float) -> float:
    """Return a part of a whole that may not have been read yet, and is 0 then."""
    return part / whole if whole else 0.0


class Together:
    """Proposes what is bought with the items in the cart; with an empty cart, nothing."""

    name = "together"

    def __init__(self, counts: BasketCounts, size: int, least: float = LEAST_TOGETHER) -> None:
        """Read these counts; `size` is one more than the highest item."""
        self._counts = counts
        self._size = size
        self._least = least

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items that share baskets with those of the cart, by the mean smoothed cosine."""
        basket = user.basket[-BASKET:]
        scores = cosines(self._counts, basket, self._size, self._least)
        if len(user.basket) > BASKET:
            scores[user.basket] = 0.0
        items = best(scores, k)
        return Found(items, scores[items].astype(np.float32), each(lambda item: self._because(basket, item)))

    def _because(self, basket: Ints, item: int) -> Evidence:
        found = rules(self._counts, basket, item, self._least)
        leaders = tuple(rule.leader for rule in found[:3])
        return Evidence("rule", leaders, "often bought with", found[0].confidence if found else 0.0)
