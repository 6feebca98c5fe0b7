"""Learns the co-visit table: what is bought after what, over all users of the training window."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from freshet.models.candidates import CovisitTable
from freshet.models.dataset import Events, Visits
from freshet.models.features import RECENT

NEIGHBOURS = 50

SAME_VISIT = 0.25
"""Weight of two items bought at one visit, beside 1 for an item bought at the visit after another."""

POPULARITY_PENALTY = 0.3
"""Power of the follower's popularity: 0 is a conditional probability, 0.5 the cosine. 0.3 ranked best in validation."""

CHUNK = 4096

Ints = NDArray[np.int64]


def learn_covisits(events: Events, visits: Visits, items: int, until_ms: int, k: int = NEIGHBOURS) -> CovisitTable:
    """Return the table of the k best neighbours of items 1 .. items.

    The score of j after i is n_ij / (n_i^0.7 n_j^0.3). n_ij counts the visits with j of users among whose last 20 items
    before it was i, plus a quarter of the visits with both; n_i counts the visits with i.

    Args:
        events: of all users.
        visits: their tie groups.
        items: size of the vocabulary.
        until_ms: visits at or after this instant are left out.
        k: neighbours kept of each item.
    """
    counts = np.zeros((items + 1) ** 2, np.float32)
    bought = np.zeros(items + 1, np.float64)
    for before, now in _transitions(events, visits, until_ms):
        bought[now] += 1.0
        counts[_pairs(before, now, items + 1)] += 1.0
        counts[_pairs(now, now, items + 1)] += SAME_VISIT
    return _best(counts.reshape(items + 1, items + 1), np.maximum(bought, 1.0), min(k, items))


def _transitions(events: Events, visits: Visits, until_ms: int) -> Iterator[tuple[Ints, Ints]]:
    for visit in np.flatnonzero(visits.at < until_ms):
        start, first = visits.start[visit], visits.first[visit]
        now = _known(events.item[start : visits.end[visit]])
        if len(now):
            yield _known(events.item[max(first, start - RECENT) : start]), now


def _known(items: Ints) -> Ints:
    distinct = np.unique(items)
    return distinct[1:] if len(distinct) and distinct[0] == 0 else distinct


def _pairs(left: Ints, right: Ints, width: int) -> Ints:
    return (left[:, None] * width + right).ravel()  # distinct left and right make distinct pairs


def _best(counts: NDArray[np.float32], bought: NDArray[np.float64], k: int) -> CovisitTable:
    np.fill_diagonal(counts, 0.0)
    follower = bought**-POPULARITY_PENALTY
    neighbours = np.zeros((len(counts), k), np.int32)
    scores = np.zeros((len(counts), k), np.float32)
    for item in range(1, len(counts)):
        row = counts[item] * follower
        top = np.argpartition(-row, k - 1)[:k]
        top = top[np.lexsort((top, -row[top]))]
        scores[item] = row[top] * bought[item] ** (POPULARITY_PENALTY - 1.0)
        neighbours[item] = np.where(row[top] > 0, top, 0)
    return CovisitTable(neighbours, scores)
