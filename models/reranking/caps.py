"""Shows nobody the same item in vain for ever: it is demoted, and in the end withheld."""

import numpy as np
from numpy.typing import NDArray

from freshet.models.reranking.config import Exposure
from freshet.models.reranking.pool import Bools, Pool


def demotion(pool: Pool, rules: Exposure | None) -> NDArray[np.float64] | None:
    """Return what showings in vain take from the scores, float64 [n] and at most 0; None where they take nothing."""
    if pool.shown is None or rules is None:
        return None
    times = np.maximum(pool.shown - (rules.demote_after - 1), 0)
    return rules.log_odds * times if times.any() else None


def withheld(pool: Pool, rules: Exposure | None) -> Bools | None:
    """Tell which are withheld, bool [n], as long as there are others; None where none is."""
    if pool.shown is None or rules is None or rules.withhold_after is None:
        return None
    many: Bools = pool.shown >= rules.withhold_after
    return many if many.any() else None
