"""Sources that read how the shop stands now: what is popular, in a category or at all, what rises, what is new."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from freshet.models.compiled import INT, array, compiled
from freshet.models.features import DAY_MS
from freshet.models.sources.source import Finds, Floats, Found, found_by_number, nothing_found, told_by_number
from freshet.models.standing import Standing
from freshet.models.user_state import NOTHING, Ints, Users, UserState

POPULAR, IN_CATEGORY, RECALLED, TRENDING, NEW = "popular", "favourite-category", "category", "trending", "new"


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

    def finds(self, users: int, k: int, text: str) -> Finds:
        """Return the best k as candidates of so many users."""
        shape = (users, min(k, len(self.items)))
        items, scores = np.broadcast_to(self.items[:k], shape), np.broadcast_to(self.scores[:k], shape)
        return Finds(items, scores, told_by_number(items, scores, "trend", text))


NONE = Ranking(NOTHING, np.zeros(0, np.float32))


def by_rank(items: Ints) -> Floats:
    """Return 1, 1/2, 1/3 ...: scores for items of which only the order counts, float32 [n]."""
    return np.asarray(1.0 / np.arange(1, len(items) + 1), np.float32)


class Popular:
    """What happens most now, for everybody."""

    name = POPULAR

    def __init__(self, now: Now) -> None:
        self._now = now

    def candidates(self, user: UserState, k: int) -> Found:
        """Return the k most popular items."""
        return self._ranking(k).first(k, "popular right now")

    def finds(self, users: Users, k: int) -> Finds:
        """See `BatchSource`."""
        return self._ranking(k).finds(len(users), k, "popular right now")

    def _ranking(self, k: int) -> Ranking:
        items = self._now().popular[:k]
        return Ranking(items, by_rank(items))


class PopularInCategories:
    """What happens most now in some categories of the user: those that he looks at, or those that a rule recalls.

    The categories take turns, the first one first.
    """

    def __init__(self, name: str, now: Now, categories: Callable[[UserState], Ints], text: str, most: int = 5) -> None:
        """Take the source's name, and which categories of a user count; only so many first ones do."""
        self.name = name
        self._now, self._categories, self._text, self._most = now, categories, text, most

    def candidates(self, user: UserState, k: int) -> Found:
        """Return the most popular items of the categories, at most k in all."""
        wanted = self._categories(user)[: self._most]
        if not len(wanted):
            return nothing_found()
        items = in_turn(wanted[None], *self._now().shelves, k)[0]
        items = items[items > 0]
        return Ranking(items, by_rank(items)).first(k, self._text, "segment")

    def finds(self, users: Users, k: int) -> Finds:
        """See `BatchSource`."""
        wanted = np.zeros((len(users), self._most), np.int64)
        for row, user in zip(wanted, users.states, strict=True):
            own = self._categories(user)[: self._most]
            row[: len(own)] = own
        items = in_turn(wanted, *self._now().shelves, k) if wanted.any() else np.zeros((len(users), 0), np.int64)
        scores = np.where(items > 0, 1.0 / np.arange(1, items.shape[1] + 1), 0.0).astype(np.float32)
        return Finds(items, scores, told_by_number(items, scores, "segment", self._text))


@compiled((array(INT, 2), array(INT), array(INT), INT))
def in_turn(wanted: Ints, items: Ints, ends: Ints, k: int) -> Ints:
    """Return at most k items of some categories for each user, int64 [B, k]; the categories take turns, the first one first.

    Args:
        wanted: int64 [B, c], categories, none twice; 0 for none.
        items: of `Shelves`.
        ends: of `Shelves`.
        k: items wanted; there is a 0 behind the last.

    >>> in_turn(np.array([[2, 1]]), np.array([7, 8, 9]), np.array([0, 2, 3]), 4)
    array([[9, 7, 8, 0]])
    """
    found = np.zeros((len(wanted), k), np.int64)
    for user in range(len(wanted)):
        n, turn, is_more = 0, 0, True
        while is_more and n < k:
            is_more = False
            for category in wanted[user]:
                if 0 < category < len(ends) and n < k and ends[category - 1] + turn < ends[category]:
                    found[user, n] = items[ends[category - 1] + turn]
                    n += 1
                    is_more = True
            turn += 1
    return found


class Trending:
    """What happens more in these hours than it used to in these days."""

    name = TRENDING

    def __init__(self, now: Now) -> None:
        self._now = now

    def candidates(self, user: UserState, k: int) -> Found:
        """Return the k items that rise most."""
        return Ranking(*self._now().rising).first(k, "rising now")

    def finds(self, users: Users, k: int) -> Finds:
        """See `BatchSource`."""
        return Ranking(*self._now().rising).finds(len(users), k, "rising now")


class New:
    """What has come into the catalogue lately, the newest first."""

    name = NEW

    def __init__(self, now: Now, days: float = 14.0) -> None:
        """Take how long an item is new."""
        self._now, self._span_ms = now, days * DAY_MS

    def candidates(self, user: UserState, k: int) -> Found:
        """Return the k newest items."""
        newest, since = self._now().newest
        ages = user.now_ms - since[: 2 * k]
        fresh = (ages >= 0) & (ages < self._span_ms)
        scores = (1.0 - ages[fresh] / self._span_ms).astype(np.float32)
        return Ranking(newest[: 2 * k][fresh], np.maximum(scores, 1e-6)).first(k, "new here")

    def finds(self, users: Users, k: int) -> Finds:
        """See `BatchSource`."""
        newest, since = self._now().newest
        now = np.array([user.now_ms for user in users.states], np.int64)
        if not len(since) or since[0] <= now.min(initial=since[0]) - self._span_ms:
            return NONE.finds(len(users), k, "new here")
        ages = now[:, None] - since[None, : 2 * k]
        fresh = (ages >= 0) & (ages < self._span_ms)
        order = np.argsort(~fresh, axis=1, kind="stable")[:, :k]  # those that are fresh, still the newest first
        items = np.where(np.take_along_axis(fresh, order, 1), newest[order], 0)
        scores = np.maximum(1.0 - np.take_along_axis(ages, order, 1) / self._span_ms, 1e-6)
        scores = np.where(items > 0, scores, 0.0).astype(np.float32)
        return Finds(items, scores, told_by_number(items, scores, "trend", "new here"))
