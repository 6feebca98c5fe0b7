"""Favours what few people have met."""

import numpy as np
from numpy.typing import NDArray

from freshet.models.reranking.composition import at_least
from freshet.models.reranking.pool import Pool

MOST_BITS = 20.0
"""The novelty of what nobody has met: one event in a million."""


def novelty(pool: Pool, log_odds_per_bit: float) -> NDArray[np.float64] | None:
    """Return log-odds for each bit of an item's self-information -log2 p, float64 [n]; None without popularity.

    Self-information as a measure of novelty is from Zhou et al., PNAS 107 (2010).
    """
    if pool.popularity is None or log_odds_per_bit == 0:
        return None
    bits: NDArray[np.float64] = -np.log2(at_least(pool.popularity, 2.0**-MOST_BITS))
    return log_odds_per_bit * bits
