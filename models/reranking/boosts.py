"""Raises and lowers candidates by what they are, in log-odds."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_

import numpy as np
from numpy.typing import NDArray

from freshet.models.reranking.config import Boost
from freshet.models.reranking.filters import known
from freshet.models.reranking.pool import Bools, Names, Pool, among
from freshet.models.user_state import Ints


@dataclass(frozen=True, eq=False)
class BoostRule:
    """A boost with codes in the place of names; the codes are None where it does not name any."""

    given: Boost
    items: Ints | None
    categories: Ints | None
    brands: Ints | None
    sources: Ints | None


def compiled(boost: Boost, names: Names) -> BoostRule:
    """Look the names of a boost up; one that nobody knows fits nothing."""
    lists = (
        (boost.items, "item"),
        (boost.categories, "category"),
        (boost.brands, "brand"),
        (boost.sources, "source"),
    )
    return BoostRule(boost, *(known(wanted, names, kind) if wanted else None for wanted, kind in lists))


def fitting(pool: Pool, rule: BoostRule) -> Bools:
    """Tell for which candidates all holds that a boost names: bool [n]; what the pool does not tell does not hold."""
    boost, nowhere = rule.given, np.zeros(len(pool), np.bool_)
    pairs = (
        (pool.items, rule.items),
        (pool.categories, rule.categories),
        (pool.brands, rule.brands),
        (pool.sources, rule.sources),
    )
    parts = [nowhere if codes is None else among(codes, wanted) for codes, wanted in pairs if wanted is not None]
    if boost.price_from is not None:
        parts.append(nowhere if pool.prices is None else pool.prices >= boost.price_from)
    if boost.price_to is not None:
        parts.append(nowhere if pool.prices is None else pool.prices < boost.price_to)
    if boost.promoted is not None:
        parts.append(nowhere if pool.promoted is None else pool.promoted == boost.promoted)
    return reduce(and_, parts)


def by_category(pool: Pool, boosts: Mapping[int, float]) -> NDArray[np.float64] | None:
    """Return what boosts of categories add, float64 [n]; None where they add nothing."""
    if pool.categories is None or not boosts:
        return None
    added = np.zeros(len(pool))
    for category, log_odds in boosts.items():
        added[pool.categories == category] = log_odds
    return added
