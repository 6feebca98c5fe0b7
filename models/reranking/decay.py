"""Lowers the second, third ... best candidate of a brand, an author or a category, whatever place they may get."""

import numpy as np
from numpy.typing import NDArray

from freshet.models.reranking.config import Decay
from freshet.models.reranking.pool import Pool
from freshet.models.user_state import Ints


def decayed(pool: Pool, merits: NDArray[np.float64], rules: Decay | None) -> NDArray[np.float64] | None:
    """Return log((1 - floor) * decay**k + floor) for the k-th best of its kind, float64 [n]; None where nothing decays.

    The formula is that of X's author diversity (`the-algorithm`, home-mixer). Whose kind is unknown keeps what he has.
    """
    codes = None if rules is None else pool.codes(rules.by)
    if rules is None or codes is None:
        return None
    order = standing(codes, merits)
    order[codes == 0] = 0
    table = np.log((1 - rules.floor) * rules.decay ** np.arange(order.max(initial=0) + 1) + rules.floor)
    lowered: NDArray[np.float64] = table[order]
    return lowered


def standing(codes: Ints, merits: NDArray[np.float64]) -> Ints:
    """Return how many of the same code have a higher merit, or the same one and stand further ahead: int64 [n].

    >>> standing(np.array([7, 8, 7, 7]), np.array([0.1, 0.2, 0.3, 0.1]))
    array([1, 0, 0, 2])
    """
    order = np.lexsort((-merits, codes))
    grouped = codes[order]
    starts = np.flatnonzero(np.concatenate([[True], grouped[1:] != grouped[:-1]])) if len(codes) else order
    sizes = np.diff(np.append(starts, len(codes)))
    ranks = np.empty(len(codes), np.int64)
    ranks[order] = np.arange(len(codes)) - np.repeat(starts, sizes)
    return ranks
