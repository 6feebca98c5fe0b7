"""A paired bootstrap over users: whole users are drawn, since what was foreseen of one goes together."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]


def sums_of_draws(users: ArrayLike, figures: ArrayLike, draws: int, seed: int) -> Reals:
    """Return the sums of some figures over crowds of drawn users, float64 [draws, F].

    Args:
        users: [n], whose each figure is.
        figures: [F, n].
        draws: crowds, each of as many users as there are, drawn with replacement.
        seed: of the draws.
    """
    crowd, place = np.unique(np.asarray(users), return_inverse=True)
    sums = np.stack([np.bincount(place, one, len(crowd)) for one in np.asarray(figures, np.float64)])
    odds = np.full(len(crowd), 1 / len(crowd))
    return np.asarray(np.random.default_rng(seed).multinomial(len(crowd), odds, size=draws) @ sums.T)
