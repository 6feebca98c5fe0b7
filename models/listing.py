"""Makes lists from ranked candidates, and tells of each place who proposed it, why, and what moved it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models.assortment import Assortment
from freshet.models.compiled import INT, REAL, array, compiled
from freshet.models.features import Floats
from freshet.models.place_json import PART_DIGITS, Columns, Parts, PlaceWriter
from freshet.models.popularity import Popularity
from freshet.models.profiles import Profile
from freshet.models.ranking import Ranked
from freshet.models.reranking.batch import BatchReranker, Pools
from freshet.models.reranking.config import Rules
from freshet.models.reranking.fill import NOBODY
from freshet.models.reranking.pool import Names, Past, Pool
from freshet.models.rule_effects import log_boosts
from freshet.models.sources.source import Finds, Reasons
from freshet.models.user_state import Ints, Reals
from freshet.udfs.top_n import Places

CONTRIBUTIONS = 3
"""So many parts of a score are told."""

MODEL, EVENT_RULE = "model", "event rule"

NO_BOOSTS: Mapping[int, float] = {}
NO_CLAUSE = ("", "")


log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Shop:
    """What lists are made from beside the candidates, as it stands now.

    Attributes:
        assortment: the catalogue.
        popularity: the items' counts.
        vectors: float32 [V + 1, d], of length 1; row 0 is zero.
        proxies: gives the rows of `vectors` that stand for items; 0 for one that is like no other.
    """

    assortment: Assortment
    popularity: Popularity
    vectors: Floats
    proxies: Callable[[Ints], Ints]


class Spots(NamedTuple):
    """The places of all lists of a batch, one list behind the other.

    Attributes:
        users: int64 [m], rows of the batch.
        positions: int64 [m], which of the user's candidates.
        scores: float64 [m], what ordered each.
    """

    users: Ints
    positions: Ints
    scores: Reals

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what stands for the places in values of all candidates, [..., B, k]."""
        return values[..., self.users, self.positions]


class Lister:
    """Makes lists for one placement. For one thread."""

    def __init__(self, sources: Sequence[str], rules: Rules, length: int) -> None:
        """Take the names of the sources in the order of `Merged.scores`, the rules, and the places of a list."""
        self._sources = list(sources)
        self._source_codes = {name: code for code, name in enumerate(sources, start=1)}
        self._rules = rules
        self._length = length
        self._reranker = BatchReranker(rules)
        self._names_of = (-1, -1)
        self._writer: PlaceWriter | None = None

    def lists(self, profiles: Sequence[Profile], ranked: Ranked, shop: Shop, now_ms: int) -> list[Places]:
        """Return the places of each user's list; none where the filters leave nothing."""
        assortment = shop.assortment
        writer = self._follow(assortment)
        pasts = [_past(profile, assortment) for profile in profiles]
        made = self._reranker.rerank(_pools(ranked, shop, now_ms), self._length, pasts)
        users, places = np.nonzero(made.positions != NOBODY)
        spots = Spots(users, made.positions[users, places], made.scores[users, places])
        items, sources = spots.of(ranked.merged.items), spots.of(ranked.merged.sources)
        boosts = _boosts(users, assortment.category[items], pasts)
        columns = Columns(
            counts=np.bincount(users, minlength=len(profiles)).tolist(),
            items=items,
            scores=spots.scores,
            sources=sources,
            reasons=_reasons(ranked.merged.finds, users, items, sources),
            boosted=boosts > 0,
            parts=_parts(ranked, spots, boosts),
            moves=list(chain.from_iterable(made.moves)),
            now_ms=now_ms,
        )
        return writer.written(columns, assortment)

    def _follow(self, assortment: Assortment) -> PlaceWriter:
        """Look names and titles up anew when the catalogue has got new ones, and return what writes places with them."""
        now = (len(assortment), assortment.described)
        if now != self._names_of:
            names = assortment.names
            codes = Names(assortment.index_of, names["category"].code_of, names["brand"].code_of, self._source_codes)
            self._reranker, self._names_of, self._writer = BatchReranker(self._rules, codes), now, None
        if self._writer is None or self._writer.is_worn():
            self._writer = PlaceWriter(self._sources, [MODEL, *self._sources, EVENT_RULE], assortment)
        return self._writer


def _pools(ranked: Ranked, shop: Shop, now_ms: int) -> Pools:
    merged, assortment = ranked.merged, shop.assortment
    items = merged.items.ravel()
    since = assortment.available_since[items]
    pool = Pool(
        items=items,
        scores=ranked.scores.ravel(),
        sources=merged.sources.ravel() + 1,
        categories=assortment.category[items].astype(np.int64),
        brands=assortment.brand[items].astype(np.int64),
        prices=assortment.price[items].astype(np.float32),
        ages_ms=np.where(since > 0, now_ms - since, -1),
        popularity=shop.popularity.share(items),
        in_stock=assortment.in_stock[items],
        promoted=assortment.promotion_until[items] > now_ms,
    )
    return Pools(pool, len(merged.items), shop.vectors, shop.proxies(items))


def _past(profile: Profile, assortment: Assortment) -> Past:
    state, rules = profile.state, profile.rules
    return Past(
        now_ms=state.now_ms,
        bought=state.bought,
        bought_at=state.bought_at,
        bought_categories=assortment.category[state.bought].astype(np.int64),
        cart=state.basket,
        seen=state.items,
        seen_at=state.times,
        boosts=log_boosts(rules, assortment.names["category"].code_of) if rules else NO_BOOSTS,
    )


def _boosts(users: Ints, categories: NDArray[np.int32], pasts: Sequence[Past]) -> Reals:
    """Return what event rules add to the score of each place, float64 [m]."""
    if not any(past.boosts for past in pasts):
        return np.zeros(len(users))
    pairs = zip(users.tolist(), categories.tolist(), strict=True)
    return np.array([pasts[user].boosts.get(category, 0.0) for user, category in pairs])


def _parts(ranked: Ranked, spots: Spots, boosts: Reals) -> Parts:
    """Return the largest parts of the score of each place: the model's, each source's, and what event rules add."""
    table = np.stack([spots.of(ranked.model), *spots.of(ranked.merged.scores), boosts], axis=1)
    names, values = largest_parts(table, CONTRIBUTIONS)
    return Parts(names, values.round(PART_DIGITS))  # those that are nothing stand last


@compiled((array(REAL, 2), INT))
def largest_parts(table: Reals, n: int) -> tuple[Ints, Reals]:
    """Return which n columns of each row are the largest by absolute value, the largest first, and what stands there.

    >>> largest_parts(np.array([[0.5, -2.0, 1.0]]), 2)
    (array([[1, 2]]), array([[-2.,  1.]]))
    """
    n = min(n, table.shape[1])
    largest, values = np.zeros((len(table), n), np.int64), np.zeros((len(table), n))
    for row in range(len(table)):
        left = np.abs(table[row])
        for place in range(n):
            largest[row, place] = at = left.argmax()
            values[row, place] = table[row, at]
            left[at] = -1.0
    return largest, values


def _reasons(finds: Sequence[Finds], users: Ints, items: Ints, sources: Ints) -> Reasons:
    """Return the evidence of each place of all lists; a source is asked once for all that it brought in."""
    clauses, which, strengths = [NO_CLAUSE], np.zeros(len(items), np.int64), np.zeros(len(items))
    told = list[tuple[Ints, Ints]]()
    for source in np.unique(sources).tolist():
        places = np.flatnonzero(sources == source)
        try:
            because = finds[source].because(users[places], items[places])
        except Exception:
            log.exception(
                "A source could not say why it found %d items; they are listed without a reason.", len(places)
            )
            continue
        which[places], strengths[places] = because.which + len(clauses), because.strengths
        clauses += because.clauses
        told.append((places, because.items))
    behind = np.zeros((len(items), max((those.shape[1] for _, those in told), default=0)), np.int64)
    for places, those in told:
        behind[places, : those.shape[1]] = those
    return Reasons(clauses, which, behind, strengths)
