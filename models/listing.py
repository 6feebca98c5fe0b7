"""Makes the list of one user from ranked candidates, and tells of each place who proposed it, why, and what moved it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from freshet.models.assortment import Assortment
from freshet.models.features import Floats
from freshet.models.merge import Merged
from freshet.models.popularity import Popularity
from freshet.models.profiles import Profile
from freshet.models.ranking import Ranked
from freshet.models.reranking.config import Rules
from freshet.models.reranking.moves import Move
from freshet.models.reranking.pool import Names, Past, Pool
from freshet.models.reranking.rerank import Reranked, Reranker
from freshet.models.rule_effects import log_boosts
from freshet.models.sources.source import Evidence
from freshet.models.user_state import Ints
from freshet.udfs.top_n import Because, ListedItem

CONTRIBUTIONS = 3
"""So many parts of a score are told."""

DIGITS = 4
SCORE_DIGITS = 5

MODEL = "model"


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


class Lister:
    """Makes lists for one placement. For one thread."""

    def __init__(self, sources: Sequence[str], rules: Rules, length: int) -> None:
        """Take the names of the sources in the order of `Merged.scores`, the rules, and the places of a list."""
        self._sources = list(sources)
        self._source_codes = {name: code for code, name in enumerate(sources, start=1)}
        self._rules = rules
        self._length = length
        self._reranker = Reranker(rules)
        self._names_of = (-1, -1)

    def items(self, profile: Profile, ranked: Ranked, shop: Shop, now_ms: int) -> tuple[ListedItem, ...]:
        """Return the places of the user's list; none if the filters leave nothing."""
        self._follow(shop.assortment)
        pool = self._pool(ranked, shop, now_ms)
        past = self._past(profile, shop.assortment)
        found = self._reranker.rerank(pool, self._length, past)
        return tuple(self._places(profile, ranked, found, shop.assortment, past, now_ms))

    def _follow(self, assortment: Assortment) -> None:
        """Look the names of the rules up anew when the catalogue has got new ones."""
        now = (len(assortment), assortment.described)
        if now != self._names_of:
            names = assortment.names
            codes = Names(assortment.index_of, names["category"].code_of, names["brand"].code_of, self._source_codes)
            self._reranker, self._names_of = Reranker(self._rules, codes), now

    def _pool(self, ranked: Ranked, shop: Shop, now_ms: int) -> Pool:
        items, assortment = ranked.merged.items, shop.assortment
        since = assortment.available_since[items]
        return Pool(
            items=items,
            scores=ranked.scores,
            sources=ranked.merged.sources.astype(np.int64) + 1,
            categories=assortment.category[items].astype(np.int64),
            brands=assortment.brand[items].astype(np.int64),
            prices=assortment.price[items].astype(np.float32),
            ages_ms=np.where(since > 0, now_ms - since, -1),
            popularity=shop.popularity.share(items),
            in_stock=assortment.in_stock[items],
            promoted=assortment.promotion_until[items] > now_ms,
            vectors=shop.vectors[shop.proxies(items)],
        )

    def _past(self, profile: Profile, assortment: Assortment) -> Past:
        state = profile.state
        boosts = log_boosts(profile.rules, assortment.names["category"].code_of)
        return Past(
            now_ms=state.now_ms,
            bought=state.bought,
            bought_at=state.bought_at,
            bought_categories=assortment.category[state.bought].astype(np.int64),
            cart=state.basket,
            seen=state.items,
            seen_at=state.times,
            boosts=boosts,
        )

    def _places(
        self, profile: Profile, ranked: Ranked, found: Reranked, assortment: Assortment, past: Past, now_ms: int
    ) -> list[ListedItem]:
        merged, positions = ranked.merged, found.positions
        items, sources = merged.items[positions].tolist(), merged.sources[positions].tolist()
        scores = found.scores.round(SCORE_DIGITS).tolist()
        evidence = _evidence(merged, items, sources)
        parts = _contributions(self._sources, ranked, positions, past, assortment)
        prices = assortment.prices_of(items)
        promotions = assortment.promotions_of(items, now_ms)
        places = zip(items, sources, scores, evidence, parts, found.moves, prices, promotions, strict=True)
        return [
            ListedItem(
                item_id=assortment.item(item),
                score=score,
                source=self._sources[source],
                reason=self._boosted(item, past, assortment) or reason(because, assortment),
                evidence=_because(because, assortment),
                contributions=contributions,
                moves=tuple([_told(move) for move in moves]),
                price=price,
                promotion=promotion,
            )
            for item, source, score, because, contributions, moves, price, promotion in places
        ]

    def _boosted(self, item: int, past: Past, assortment: Assortment) -> str:
        """Return the reason of an item whose category a rule boosts; nothing for others."""
        if not past.boosts or past.boosts.get(int(assortment.category[item]), 0.0) <= 0:
            return ""
        return f"you look at {assortment.place('category', item)} a lot"


def _contributions(
    sources: Sequence[str], ranked: Ranked, positions: Ints, past: Past, assortment: Assortment
) -> list[tuple[tuple[str, float], ...]]:
    """Return for each place the largest parts of its score: the model's, each source's, and what event rules add."""
    names = [MODEL, *sources]
    table = np.concatenate((ranked.model[None, positions], ranked.merged.scores[:, positions]))
    if past.boosts:
        kinds = assortment.category[ranked.merged.items[positions]].tolist()
        table = np.concatenate((table, np.array([[past.boosts.get(kind, 0.0) for kind in kinds]])))
        names.append("event rule")
    largest = np.argsort(-np.abs(table), axis=0, kind="stable")[:CONTRIBUTIONS]
    values = np.take_along_axis(table, largest, axis=0).astype(np.float64).round(DIGITS)
    return [
        tuple([(names[at], value) for at, value in zip(order, column, strict=True) if value])
        for order, column in zip(largest.T.tolist(), values.T.tolist(), strict=True)
    ]


def _evidence(merged: Merged, items: Sequence[int], sources: Sequence[int]) -> list[Evidence]:
    """Return the evidence of each item of a list; a source is asked once for all that it brought in."""
    listed: dict[int, list[int]] = {}
    for item, source in zip(items, sources, strict=True):
        listed.setdefault(source, []).append(item)
    told = {source: iter(merged.found[source].because(those)) for source, those in listed.items()}
    return [next(told[source]) for source in sources]


def reason(evidence: Evidence, assortment: Assortment) -> str:
    """Return the evidence as a sentence for a person: its clause and the title of the strongest item behind it."""
    return f"{evidence.text} {assortment.title(evidence.items[0])}" if evidence.items else evidence.text


def _because(evidence: Evidence, assortment: Assortment) -> Because:
    items = tuple(assortment.item(item) for item in evidence.items)
    return Because(evidence.kind, items, evidence.text, round(evidence.strength, DIGITS))


def _told(move: Move) -> str:
    return f"{move.rule}: {move.before} -> {move.after}"
