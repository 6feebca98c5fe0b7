"""Sources that read how the shop stands now: what is popular, in a category or at all, what rises, what is new.

Each keeps what it worked out for one standing of the counts or the catalogue, which changes every few seconds, and asks
for it with a dictionary's look-up meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from freshet.models.assortment import Assortment
from freshet.models.features import DAY_MS, trend_ratio
from freshet.models.popularity import Popularity
from freshet.models.sources.source import Floats, Found, found_by_number, nothing_found
from freshet.models.user_state import NOTHING, Ints, UserState

POPULAR, IN_CATEGORY, RECALLED, TRENDING, NEW = "popular", "favourite-category", "category", "trending", "new"


@dataclass(frozen=True, eq=False)
class Standing:
    """The counts and the catalogue as they stand at one instant."""

    popularity: Popularity
    assortment: Assortment

    @property
    def key(self) -> tuple[int, int]:
        """What changes when either does."""
        return self.popularity.generation, self.assortment.generation


Now = Callable[[], Standing]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Items from the best to the worst: int64 [n], and their scores, float32 [n], above 0."""

    items: Ints
    scores: Floats

    def first(self, k: int, text: str, kind: str = "trend") -> Found:
        """Return the best k as candidates."""
        scores = self.scores[:k]
        return found_by_number(self.items[:k], scores, kind, text, scores)


NONE = Ranking(NOTHING, np.zeros(0, np.float32))


def by_rank(items: Ints) -> Floats:
    """Return 1, 1/2, 1/3 ...: scores for items of which only the order counts, float32 [n]."""
    return np.asarray(1.0 / np.arange(1, len(items) + 1), np.float32)


def sold(order: Ints, assortment: Assortment) -> Ints:
    """Return the items of an order that the catalogue knows and has in stock."""
    order = order[order <= len(assortment)]
    return np.asarray(order[assortment.in_stock[order]], np.int64)


class Popular:
    """What happens most now, for everybody."""

    name = POPULAR

    def __init__(self, now: Now) -> None:
        self._now = now
        self._key: tuple[int, int] | None = None
        self._ranking = NONE

    def candidates(self, user: UserState, k: int) -> Found:
        """Return the k most popular items."""
        standing = self._now()
        if standing.key != self._key:
            items = sold(standing.popularity.order, standing.assortment)
            self._ranking, self._key = Ranking(items, by_rank(items)), standing.key
        return self._ranking.first(k, "popular right now")


class PopularInCategories:
    """What happens most now in some categories of the user: those that he looks at, or those that a rule recalls.

    The categories take turns, the first one first.
    """

    def __init__(self, name: str, now: Now, categories: Callable[[UserState], Ints], text: str, most: int = 5) -> None:
        """Take the source's name, and which categories of a user count; only so many first ones do."""
        self.name = name
        self._now, self._categories, self._text, self._most = now, categories, text, most
        self._key: tuple[int, int] | None = None
        self._by_category: dict[int, Ints] = {}

    def candidates(self, user: UserState, k: int) -> Found:
        """Return the most popular items of the categories, at most k in all."""
        wanted = self._categories(user)[: self._most].tolist()
        if not wanted:
            return nothing_found()
        standing = self._now()
        if standing.key != self._key:
            self._by_category, self._key = by_category(standing), standing.key
        rows = [self._by_category.get(category, NOTHING)[:k] for category in wanted]
        ranks = np.concatenate([np.arange(len(row)) * len(rows) + turn for turn, row in enumerate(rows)])
        items = np.concatenate(rows)[np.argsort(ranks, kind="stable")][:k]
        return Ranking(items, by_rank(items)).first(k, self._text, "segment")


def by_category(standing: Standing) -> dict[int, Ints]:
    """Return the items of each category, the most popular first."""
    items = sold(standing.popularity.order, standing.assortment)
    categories = standing.assortment.category[items]
    order = np.argsort(categories, kind="stable")
    bounds = np.flatnonzero(np.diff(categories[order], prepend=-1))
    return {
        int(categories[part[0]]): items[part]
        for part in np.split(order, bounds[1:])
        if len(part) and categories[part[0]]
    }


class Trending:
    """What happens more in these hours than it used to in these days."""

    name = TRENDING

    def __init__(self, now: Now, least: float = 1.5) -> None:
        """Take by how much the rate of the hour must exceed that of the day."""
        self._now, self._least = now, least
        self._key: tuple[int, int] | None = None
        self._ranking = NONE

    def candidates(self, user: UserState, k: int) -> Found:
        """Return the k items that rise most."""
        standing = self._now()
        if standing.key != self._key:
            self._ranking, self._key = self._rising(standing), standing.key
        return self._ranking.first(k, "rising now")

    def _rising(self, standing: Standing) -> Ranking:
        counts = standing.popularity.counts
        ratios = trend_ratio(counts[:, 0], counts[:, 1])
        rising = np.flatnonzero(ratios >= self._least)
        items = sold(rising[np.argsort(-ratios[rising], kind="stable")], standing.assortment)
        return Ranking(items, ratios[items].astype(np.float32))


class New:
    """What has come into the catalogue lately, the newest first."""

    name = NEW

    def __init__(self, now: Now, days: float = 14.0) -> None:
        """Take how long an item is new."""
        self._now, self._span_ms = now, days * DAY_MS
        self._key: tuple[int, int] | None = None
        self._since: Ints = NOTHING
        self._items: Ints = NOTHING

    def candidates(self, user: UserState, k: int) -> Found:
        """Return the k newest items."""
        standing = self._now()
        if standing.key != self._key:
            since = standing.assortment.available_since
            items = sold(np.flatnonzero(since > 0), standing.assortment)
            self._items = items[np.argsort(-since[items], kind="stable")]
            self._since, self._key = since[self._items], standing.key
        ages = user.now_ms - self._since[: 2 * k]
        fresh = (ages >= 0) & (ages < self._span_ms)
        scores = (1.0 - ages[fresh] / self._span_ms).astype(np.float32)
        return Ranking(self._items[: 2 * k][fresh], np.maximum(scores, 1e-6)).first(k, "new here")
