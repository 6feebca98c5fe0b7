"""What orders the candidates for the next place, given those on the places above."""

from typing import Protocol

import numpy as np

from freshet.models.reranking.config import Diversity
from freshet.models.reranking.dpp import Dpp, WindowedDpp
from freshet.models.reranking.mmr import Mmr
from freshet.models.reranking.pool import Floats


class Order(Protocol):
    """Orders what is left, place by place."""

    gains: Floats
    """float32 [n], the higher the sooner; -inf for what is not to be taken."""

    def take(self, position: int) -> None:
        """Take it that a candidate has the next place, and say what the others gain now."""


class ByQuality:
    """Orders by quality alone."""

    def __init__(self, quality: Floats) -> None:
        """Take float32 [n]."""
        self.gains = quality.copy()

    def take(self, position: int) -> None:
        """Take a candidate away."""
        self.gains[position] = -np.inf


def ordering(rules: Diversity, quality: Floats, vectors: Floats | None, places: int) -> Order:
    """Return the order that the rules ask for; without vectors it is that of quality alone.

    Args:
        rules: the method and its weight.
        quality: float32 [n], 1 for the best candidate and 0 for the last of the best ones.
        vectors: float32 [n, d].
        places: places to fill.
    """
    if vectors is None or rules.method == "none":
        return ByQuality(quality)
    if rules.method == "mmr":
        return Mmr(quality, vectors, rules.weight)
    if rules.among is None or rules.among >= places:
        return Dpp(quality, vectors, rules.weight, places)
    return WindowedDpp(quality, vectors, rules.weight, rules.among)
