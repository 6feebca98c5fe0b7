"""Makes a list of one user's scored candidates: filters, score, boosts, then place by place under the rules.

pool -> filters -> score -> boosts, novelty, exposure, decay -> pins, quotas, windows, slots, diversity -> list
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from freshet.models.reranking import boosts, filters
from freshet.models.reranking.caps import demotion
from freshet.models.reranking.composition import composed
from freshet.models.reranking.config import Rules
from freshet.models.reranking.decay import decayed
from freshet.models.reranking.diversity import ordering
from freshet.models.reranking.moves import Move, Stage, moves
from freshet.models.reranking.novelty import novelty
from freshet.models.reranking.pins import pinned
from freshet.models.reranking.place_rules import Spots, place_rules
from freshet.models.reranking.placing import Placed, filled
from freshet.models.reranking.pool import Bools, Floats, Names, Past, Pool
from freshet.models.user_state import Ints

Merits = NDArray[np.float64]

NO_PAST = Past()


@dataclass(frozen=True, eq=False)
class Reranked:
    """A list, and what made it so.

    Attributes:
        positions: int64 [m], positions in the pool, the best first, none twice.
        scores: float64 [m], finite: what ordered each item before its place was chosen.
        removed: filter -> how many candidates it took away.
        relaxed: for each place the soft rules that its item breaks, because no other item broke milder ones.
        stages: scores of all candidates behind each rule that changed them.
        left: bool [n], which candidates the filters left.
    """

    positions: Ints
    scores: Merits
    removed: Mapping[str, int]
    relaxed: Sequence[tuple[str, ...]]
    stages: Sequence[Stage] = field(repr=False)
    left: Bools = field(repr=False)
    placed: Placed = field(repr=False)

    @cached_property
    def moves(self) -> list[tuple[Move, ...]]:
        """For each place the rules that moved its item, with its ranks before and after."""
        return moves(self.stages, self.left, self.placed) if len(self.positions) else []


class Reranker:
    """Applies the rules of one placement. It keeps nothing from one list to the next, so threads may share it."""

    def __init__(self, rules: Rules, names: Names | None = None) -> None:
        """Take the rules, and what the names in them stand for now; make another one as the catalogue grows."""
        self._rules = rules
        self._names = names or Names()
        self._filters = filters.compiled(rules.filters, self._names)
        self._boosts = [boosts.compiled(boost, self._names) for boost in rules.boosts]
        self._pins = {pin.place - 1: self._names.item.get(pin.item) for pin in rules.pins}

    @property
    def unknown(self) -> list[str]:
        """What the rules name and nobody knows: a word that is misspelt, or an item that is gone."""
        return [f"{kind} {name}" for kind, name in named(self._rules) if name not in self._names.of(kind)]

    def rerank(self, pool: Pool, length: int, past: Past = NO_PAST) -> Reranked:
        """Return a list of `length` items, or of as many as the filters leave."""
        left, removed = filters.filtered(pool, past, self._filters)
        size = min(length, int(np.count_nonzero(left)))
        if not size:
            nothing = Placed([], [], [])
            return Reranked(np.zeros(0, np.int64), np.zeros(0), removed, (), (), left, nothing)
        stages = list(self.stages(pool, pool, past, left))
        merits = stages[-1].merits
        pins = pinned(self._pinned_positions(pool, left), size)
        free = left
        if pins:
            free = left.copy()
            free[list(pins.values())] = False
        quality, beyond = scaled(merits, free, self._rules.diversity.best_of)
        spots = Spots(pool, self._names, free, [pins.get(place) for place in range(size)])
        order = ordering(self._rules.diversity, quality, pool.vectors, size)
        placed = filled(size, order, list(place_rules(self._rules, spots, beyond)), pins)
        positions = np.array(placed.positions, np.int64)
        return Reranked(positions, merits[positions], removed, placed.relaxed, stages, left, placed)

    def filters_of(self, every: Callable[[Ints], Ints]) -> filters.FilterRules:
        """Return the filters with their codes as something else has them, for pools that tell users apart."""
        given = self._filters
        return replace(
            given,
            habits=every(given.habits),
            items=every(given.items),
            categories=every(given.categories),
            brands=every(given.brands),
        )

    def stages(self, pool: Pool, own: Pool, past: Past, left: Bools) -> Iterator[Stage]:
        """Yield the candidates' scores as the model has them, and behind each rule that changes some.

        Args:
            pool: the candidates, of one user or of several.
            own: the same, with codes that tell users apart.
            past: of the users, with the codes of `own`.
            left: bool [n], which candidates the filters leave.
        """
        merits = np.where(left, pool.scores, np.float64(0))  # no NaN of a candidate that is gone
        yield Stage("model", merits)
        if (value := composed(pool, self._rules.score)) is not None:
            merits = value
            yield Stage("composition", merits)
        for name, added in self._added(pool, own, past):
            if added is not None:
                merits = merits + added
                yield Stage(name, merits)
        lowered = decayed(own, np.where(left, merits, -np.inf), self._rules.decay) if self._rules.decay else None
        if lowered is not None:
            yield Stage("decay", merits + lowered)

    def _added(self, pool: Pool, own: Pool, past: Past) -> Iterator[tuple[str, Merits | None]]:
        rules = self._rules
        for boost in self._boosts:
            yield boost.given.name, np.where(boosts.fitting(pool, boost), boost.given.log_odds, 0.0)
        yield "event rule", boosts.by_category(own, past.boosts)
        yield "novelty", novelty(pool, rules.novelty)
        yield "exposure", demotion(pool, rules.exposure)

    def _pinned_positions(self, pool: Pool, left: Bools) -> dict[int, int]:
        found = {}
        for place, item in self._pins.items():
            if item is not None and len(at := np.flatnonzero((pool.items == item) & left)):
                found[place] = int(at[0])
        return found


def scaled(merits: Merits, free: Bools, best_of: int) -> tuple[Floats, Bools | None]:
    """Return the merits as quality, and who is not among the best.

    Args:
        merits: float64 [n].
        free: bool [n], who may be taken.
        best_of: how many are among the best.

    Returns:
        float32 [n], 1 for the highest merit, 0 for the lowest of the best ones, below 0 beyond, -inf for who is not free;
        bool [n] of those beyond, None where all are among the best.
    """
    quality, beyond = scaled_each(merits[None], free[None], best_of)
    return quality[0], beyond[0] if beyond.any() else None


def scaled_each(merits: Merits, free: Bools, best_of: int) -> tuple[Floats, Bools]:
    """Return what `scaled` does for several lists: float64 and bool [B, n]; who is not free has no quality."""
    merits = np.where(free, merits, -np.inf)
    counts = np.count_nonzero(free, axis=1)[:, None]
    ordered = np.sort(merits, axis=1)
    last = np.maximum(merits.shape[1] - np.minimum(best_of, counts), 0) % max(merits.shape[1], 1)
    highest = np.where(counts > 0, ordered[:, -1:], 0.0)
    lowest = np.where(counts > 0, np.take_along_axis(ordered, last, axis=1), 0.0)
    span = highest - lowest
    quality = (merits - lowest) / np.where(span == 0, 1.0, span)
    return quality.astype(np.float32), free & (merits < lowest)


def named(rules: Rules) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of all that rules name."""
    blocked, boosted = rules.filters.blocked, rules.boosts
    names: dict[str, list[Sequence[str]]] = {
        "item": [blocked.items, *(boost.items for boost in boosted), [pin.item for pin in rules.pins]],
        "category": [blocked.categories, *(boost.categories for boost in boosted), rules.filters.purchased.categories],
        "brand": [blocked.brands, *(boost.brands for boost in boosted)],
        "source": [boost.sources for boost in boosted],
    }
    for kind, parts in names.items():
        yield from ((kind, name) for part in parts for name in part)
    yield from ((quota.by, quota.name) for quota in rules.quotas)
