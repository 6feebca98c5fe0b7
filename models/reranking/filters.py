"""Takes away what must not be shown. Filters come first, and none of them is ever relaxed.

Each is a function that tells which candidates it takes away: bool [n]. A candidate counts for the first that takes it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from freshet.models.reranking.config import Filters, Purchased, Recent
from freshet.models.reranking.pool import Bools, Names, Past, Pool, among
from freshet.models.user_state import Ints

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, eq=False)
class FilterRules:
    """The rules of a placement with codes in the place of names; int64 arrays of items, categories and brands."""

    given: Filters
    habits: Ints
    items: Ints
    categories: Ints
    brands: Ints


def compiled(rules: Filters, names: Names) -> FilterRules:
    """Look the names of the rules up; one that nobody knows stands for nothing."""
    return FilterRules(
        rules,
        known(rules.purchased.categories, names, "category"),
        known(rules.blocked.items, names, "item"),
        known(rules.blocked.categories, names, "category"),
        known(rules.blocked.brands, names, "brand"),
    )


def known(wanted: tuple[str, ...], names: Names, kind: str) -> Ints:
    """Return the codes of the names that are known."""
    codes = names.of(kind)
    return np.array([codes[name] for name in wanted if name in codes], np.int64)


def unscored(pool: Pool, past: Past, rules: FilterRules) -> Bools | None:
    """Tell whose score is no number."""
    finite = np.isfinite(pool.scores)
    return None if finite.all() else ~finite


def duplicate(pool: Pool, past: Past, rules: FilterRules) -> Bools | None:
    """Tell which are in the pool already, with a better score or, where that is the same, further ahead."""
    ordered = np.sort(pool.items)
    if not (ordered[1:] == ordered[:-1]).any():
        return None
    by_score = np.argsort(-pool.scores, kind="stable")
    first = by_score[np.unique(pool.items[by_score], return_index=True)[1]]
    again = np.ones(len(pool), np.bool_)
    again[first] = False
    return again


def purchased(pool: Pool, past: Past, rules: FilterRules) -> Bools | None:
    """Tell which the user has bought, as far as he may not be shown them again.

    A purchase whose time is not known counts as one of now.
    """
    rule = rules.given.purchased
    if rule.repeat == "always" or not len(past.bought):
        return None
    days = None if rule.repeat == "never" else rule.days
    bought = within(past.bought, past.bought_at, past.now_ms, None if days is None else days * DAY_MS)
    again = among(pool.items, bought)
    if rule.repeat == "habit" and pool.categories is not None:
        again &= ~among(pool.categories, _habits(past, rule, rules.habits))
    return again


def _habits(past: Past, rule: Purchased, everybodys: Ints) -> Ints:
    categories, times = np.unique(past.bought_categories, return_counts=True)
    own = categories[(times >= rule.purchases) & (categories > 0)]
    return np.concatenate([everybodys, own])


def in_cart(pool: Pool, past: Past, rules: FilterRules) -> Bools | None:
    """Tell which are in the cart."""
    return among(pool.items, past.cart) if rules.given.in_cart and len(past.cart) else None


def seen(pool: Pool, past: Past, rules: FilterRules) -> Bools | None:
    """Tell which the user has looked at lately."""
    return _met(pool, past.seen, past.seen_at, past.now_ms, rules.given.seen)


def recently_played(pool: Pool, past: Past, rules: FilterRules) -> Bools | None:
    """Tell which the user has played lately."""
    return _met(pool, past.played, past.played_at, past.now_ms, rules.given.recently_played)


def _met(pool: Pool, met: Ints, times: Ints, now_ms: int, rule: Recent | None) -> Bools | None:
    if rule is None or not len(met):
        return None
    return among(pool.items, within(met, times, now_ms, None if rule.hours is None else rule.hours * HOUR_MS))


def within(items: Ints, times: Ints, now_ms: int, span_ms: float | None) -> Ints:
    """Return the items of the last `span_ms`; all where it is None or the times are not known."""
    return items if span_ms is None or len(times) != len(items) else items[times > now_ms - span_ms]


def out_of_stock(pool: Pool, past: Past, rules: FilterRules) -> Bools | None:
    """Tell which cannot be had."""
    return None if pool.in_stock is None or not rules.given.out_of_stock else ~pool.in_stock


def blocked(pool: Pool, past: Past, rules: FilterRules) -> Bools | None:
    """Tell which the placement blocks for all, or this user for himself: items, categories, brands."""
    pairs = (
        (pool.items, rules.items, past.blocked),
        (pool.categories, rules.categories, past.blocked_categories),
        (pool.brands, rules.brands, past.blocked_brands),
    )
    out: Bools | None = None
    for codes, everybodys, own in pairs:
        if codes is not None and (len(everybodys) or len(own)):
            one = among(codes, np.concatenate([everybodys, own]))
            out = one if out is None else out | one
    return out


Filter = Callable[[Pool, Past, FilterRules], Bools | None]

ORDER: tuple[Filter, ...] = (
    unscored,
    duplicate,
    purchased,
    in_cart,
    seen,
    recently_played,
    out_of_stock,
    blocked,
)
"""The published order. Which candidates are left does not depend on it, only which filter an item counts for."""


def filtered(pool: Pool, past: Past, rules: FilterRules) -> tuple[Bools, dict[str, int]]:
    """Return which candidates are left, bool [n], and how many each filter took away, without those that took none."""
    left = np.ones(len(pool), np.bool_)
    removed = {}
    for one in ORDER:
        taken = one(pool, past, rules)
        if taken is None:
            continue
        taken &= left
        if count := int(np.count_nonzero(taken)):
            removed[one.__name__] = count
            left ^= taken
    return left, removed
