"""Re-ranks a whole batch: the same rules as one list at a time, worked out for all lists at once.

Filters and scores are functions of arrays, so they take the pools of all users one behind the other, with codes that tell
users apart. The places are filled by compiled code where the rules are those that most lists have (`fill.py`). All other
lists are made one by one by `Reranker`, which tests hold this to.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from freshet.models.reranking import filters
from freshet.models.reranking.caps import withheld
from freshet.models.reranking.config import Rules
from freshet.models.reranking.dpp import OWN, lengths
from freshet.models.reranking.fill import NOBODY, Filled, PlainRules, fill_each, ranks_each, why_each
from freshet.models.reranking.moves import DIVERSITY, Move, Stage
from freshet.models.reranking.pool import Bools, Floats, Names, Past, Pool
from freshet.models.reranking.rerank import Reranker, scaled_each
from freshet.models.reranking.slots import Slots, new_items
from freshet.models.user_state import NOTHING, Ints, Reals

USER = 1 << 32
"""By so much the codes of the next user are higher."""

NO_TABLE = np.zeros((1, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Pools:
    """The candidates of B users, k each, one behind the other.

    Attributes:
        pool: of all users, B * k candidates; one whose item is 0 fills up. It has no vectors.
        users: how many users there are.
        table: float32 [V, d], vectors of length 1.
        rows: int64 [B * k], the row of each candidate in it.
    """

    pool: Pool
    users: int
    table: Floats
    rows: Ints

    @property
    def shape(self) -> tuple[int, int]:
        """Users, and candidates of each."""
        return self.users, len(self.pool) // max(self.users, 1)

    def of(self, user: int) -> Pool:
        """Return the candidates of one user, without what fills up."""
        first = user * self.shape[1]
        part = slice(first, first + int(np.count_nonzero(self.pool.items[first : first + self.shape[1]])))
        cut = {name: value[part] for name, value in vars(self.pool).items() if isinstance(value, np.ndarray)}
        probabilities = {outcome: values[part] for outcome, values in self.pool.probabilities.items()}
        return Pool(**cut, probabilities=probabilities, vectors=self.table[self.rows[part]])


@dataclass(frozen=True, eq=False)
class Lists:
    """The lists of a batch.

    Attributes:
        positions: int64 [B, m], the candidate of each place, counted among the user's own; `NOBODY` behind the last.
        scores: float64 [B, m], what ordered each before its place was chosen.
        moves: for each user, for each place, the rules that moved its item.
    """

    positions: Ints
    scores: Reals
    moves: list[list[tuple[Move, ...]]]


class BatchReranker:
    """Applies the rules of one placement to batches. It keeps nothing from one to the next."""

    def __init__(self, rules: Rules, names: Names | None = None) -> None:
        """Take the rules, and what the names in them stand for now; make another one as the catalogue grows."""
        self._rules = rules
        self._one = Reranker(rules, names)
        self._is_plain = (
            not rules.pins and not rules.quotas and rules.diversity.method != "mmr" and not rules.diversity.among
        )

    def rerank(self, pools: Pools, length: int, pasts: Sequence[Past]) -> Lists:
        """Return a list of `length` items for each user, or of as many as the filters leave; `pasts` are theirs."""
        shape = (pools.users, length)
        if not self._is_plain:
            made = Lists(np.full(shape, NOBODY), np.zeros(shape), [[] for _ in pasts])
            return self._made_one_by_one(made, range(pools.users), pools, pasts)
        keyed, past = keyed_by_user(pools), joined(pasts)
        left, _ = filters.filtered(keyed, past, self._one.filters_of(lambda codes: of_each(codes, pools.users)))
        left &= pools.pool.items > 0
        stages = [
            Stage(stage.name, stage.merits.reshape(pools.shape))
            for stage in self._one.stages(pools.pool, keyed, past, left)
        ]
        filled, names = self._filled(pools, stages[-1].merits, left.reshape(pools.shape), length)
        there = filled.positions != NOBODY
        scores = np.where(there, np.take_along_axis(stages[-1].merits, filled.positions, axis=1), 0.0)
        lists = Lists(filled.positions, scores, moved(stages, left.reshape(pools.shape), filled, names))
        return self._made_one_by_one(lists, np.flatnonzero(~filled.is_plain).tolist(), pools, pasts)

    def _filled(self, pools: Pools, merits: Reals, left: Bools, length: int) -> tuple[Filled, list[str]]:
        """Return the lists, and the names of the rules that their bits stand for."""
        diversity = self._rules.diversity
        quality, beyond = scaled_each(merits, left, diversity.best_of)
        rules, names = self._plain_rules(pools, beyond, length)
        is_free = left.any(axis=1, keepdims=True) & left
        if diversity.method == "dpp":
            long, table = lengths(quality, diversity.weight), pools.table
        else:
            long, table = quality, NO_TABLE
        gains = np.where(is_free, quality, np.float32(-np.inf))
        return Filled(*fill_each(gains, long, table, pools.rows.reshape(merits.shape), OWN, *rules)), names

    def _plain_rules(self, pools: Pools, beyond: Bools, length: int) -> tuple[PlainRules, list[str]]:
        """Return the rules for the places, the softest first, and their names."""
        pool, given, shape = pools.pool, self._rules, pools.shape
        names = ["best_of", Slots.name]
        always = beyond.astype(np.int64)
        newcomers = new_items(pool, given.new_items)
        slots = np.zeros(length, np.bool_)
        slots[[place - 1 for place in given.new_items.places if place <= length]] = True
        codes: list[Ints] = []
        windows: list[tuple[int, int, int]] = []
        for window in reversed(given.windows):
            if (counted := pool.codes(window.by)) is not None:
                codes.append(counted.reshape(shape))
                windows.append((window.most, window.places, len(names)))
                names.append(f"{window.by} window")
        if (gone := withheld(pool, given.exposure)) is not None:
            always |= gone.reshape(shape).astype(np.int64) << len(names)
            names.append("exposure")
        nobody = np.zeros(shape, np.bool_)
        rules = PlainRules(
            always,
            np.array(codes, np.int64).reshape(len(codes), *shape),
            np.array(windows, np.int64).reshape(len(windows), 3),
            slots,
            nobody if newcomers is None else newcomers.reshape(shape),
            names.index(Slots.name),
        )
        return rules, names

    def _made_one_by_one(self, lists: Lists, users: Iterable[int], pools: Pools, pasts: Sequence[Past]) -> Lists:
        for user in users:
            made = self._one.rerank(pools.of(user), lists.positions.shape[1], pasts[user])
            n = len(made.positions)
            lists.positions[user, :n], lists.positions[user, n:] = made.positions, NOBODY
            lists.scores[user, :n] = made.scores
            lists.moves[user] = made.moves
        return lists


def moved(stages: Sequence[Stage], left: Bools, filled: Filled, names: Sequence[str]) -> list[list[tuple[Move, ...]]]:
    """Return what moved each item of each list, as `moves.moves` has it."""
    positions, counts = filled.positions, np.count_nonzero(filled.positions != NOBODY, axis=1).tolist()
    found: list[list[tuple[Move, ...]]] = [[()] * count for count in counts]
    ranks = [ranks_each(stage.merits, left, positions) for stage in stages]
    for (before, after), (was, now) in zip(pairwise(stages), pairwise(ranks), strict=True):
        changed = np.take_along_axis(after.merits != before.merits, positions, axis=1) & (was != now)
        for user, place in np.argwhere(changed & (positions != NOBODY)).tolist():
            found[user][place] += (Move(after.name, int(was[user, place]), int(now[user, place])),)
    why = why_each(ranks[-1], filled.lifted, 1 << len(names))
    by_bits = {bits: named(bits, [*names, DIVERSITY]) for bits in np.unique(why).tolist()}
    users, places = np.nonzero(why)
    parts = zip(
        users.tolist(), places.tolist(), why[users, places].tolist(), ranks[-1][users, places].tolist(), strict=True
    )
    for user, place, bits, rank in parts:
        found[user][place] += tuple([Move(name, rank, place + 1) for name in by_bits[bits]])
    return found


def named(bits: int, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names that the bits of a number stand for.

    >>> named(5, ["a", "b", "c"])
    ('a', 'c')
    """
    return tuple([name for number, name in enumerate(names) if bits >> number & 1])


# ---- Users told apart ---------------------------------------------------------------------------------------------------


def of_each(codes: Ints, users: int) -> Ints:
    """Return codes as they stand for each of so many users."""
    return (np.arange(users)[:, None] * USER + codes[None, :]).ravel()


def keyed(codes: Ints, users: Ints) -> Ints:
    """Return codes that tell users apart, int64 [n]; 0, which stands for unknown, stays."""
    return np.where(codes > 0, codes + users * USER, 0)


def keyed_by_user(pools: Pools) -> Pool:
    """Return the pool with codes that tell users apart; items that fill up are all different, and nobody's."""
    pool, users = pools.pool, np.repeat(np.arange(pools.users), pools.shape[1])
    items = np.where(pool.items > 0, pool.items + users * USER, -1 - np.arange(len(pool)))
    parts = (None if codes is None else keyed(codes, users) for codes in (pool.sources, pool.categories, pool.brands))
    sources, categories, brands = parts
    return replace(pool, items=items, sources=sources, categories=categories, brands=brands)


def joined(pasts: Sequence[Past]) -> Past:
    """Return what is held against the candidates of all users, with codes that tell them apart, and one time for all."""
    now = max((past.now_ms for past in pasts), default=0)
    shifts = np.array([now - past.now_ms for past in pasts], np.int64)

    def together(of: Callable[[Past], Ints]) -> tuple[Ints, Ints]:
        parts = [of(past) for past in pasts]
        users = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        codes = np.concatenate(parts) if parts else NOTHING
        return keyed(codes, users), users

    def times(of: Callable[[Past], Ints], at: Callable[[Past], Ints], users: Ints) -> Ints:
        parts = [at(one) if len(at(one)) == len(of(one)) else np.full(len(of(one)), one.now_ms) for one in pasts]
        return (np.concatenate(parts) if parts else NOTHING) + shifts[users]

    bought, buyers = together(lambda past: past.bought)
    seen, viewers = together(lambda past: past.seen)
    played, players = together(lambda past: past.played)
    return Past(
        now_ms=now,
        bought=bought,
        bought_at=times(lambda past: past.bought, lambda past: past.bought_at, buyers),
        bought_categories=together(lambda past: past.bought_categories)[0],
        cart=together(lambda past: past.cart)[0],
        seen=seen,
        seen_at=times(lambda past: past.seen, lambda past: past.seen_at, viewers),
        played=played,
        played_at=times(lambda past: past.played, lambda past: past.played_at, players),
        blocked=together(lambda past: past.blocked)[0],
        blocked_categories=together(lambda past: past.blocked_categories)[0],
        blocked_brands=together(lambda past: past.blocked_brands)[0],
        boosts={user * USER + code: by for user, past in enumerate(pasts) for code, by in past.boosts.items()},
    )
