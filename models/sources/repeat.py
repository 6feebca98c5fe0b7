"""Repeat purchase: what the user buys again and again, as likely as his habit, its recency and the item's nature make it.

How often he bought the item is counted at three half-lives. The rate of purchases a visit says how firm the habit is,
the time since the last purchase how far the next one is due, and the item's loyalty whether it is a thing that people
buy again at all: milk is, a birthday card is not.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from freshet.models.best import best
from freshet.models.features import DAY_MS
from freshet.models.sources.source import Evidence, Found, each
from freshet.models.user_state import Habits, Ints, Reals, UserState

HALF_LIVES_MS = (7 * DAY_MS, 30 * DAY_MS, 120 * DAY_MS)

COLUMNS = ("known", "rate of 7 d", "count of 30 d", "rate of 120 d", "age", "age squared", "known x loyalty")
"""Columns of `habit_features`; all but the first are logarithms."""

FITTED = np.array([0.136, 0.259, 0.303, 0.758, 0.319, 0.007, 0.533])
"""Weights of the columns: those that `benchmarks/quality/journey.py` fits for the next basket to November 2017.

They are fitted beside popularity, which this source leaves out."""

COUNT_PRIORS = np.array([0.02, 0.05, 0.02])
"""Counted for every item: it is what an item without a purchase stands at."""

LOYALTY_PRIOR = 0.1
LOYALTY_PRIOR_PURCHASES = 20.0


class Loyalty(Protocol):
    """Knows how much an item is a thing that people buy again."""

    def loyalty(self, items: Ints) -> Reals:
        """Return the smoothed share of each item's purchases whose buyer had bought it before: float64 [n], above 0."""


class LearntLoyalty:
    """Counts purchases and repeats in process."""

    def __init__(self, items: int) -> None:
        """Count items 1 .. items."""
        self._purchases = np.zeros(items + 1)
        self._repeats = np.zeros(items + 1)

    def learn(self, basket: Ints, had_before: Ints) -> None:
        """Count a basket, and which of its items the buyer had bought before; each once."""
        self._purchases[basket] += 1.0
        self._repeats[had_before] += 1.0

    def loyalty(self, items: Ints) -> Reals:
        """Return the smoothed share of each item's purchases whose buyer had bought it before: float64 [n]."""
        credit = LOYALTY_PRIOR * LOYALTY_PRIOR_PURCHASES
        return np.asarray((self._repeats[items] + credit) / (self._purchases[items] + LOYALTY_PRIOR_PURCHASES))


class HabitBook:
    """Keeps the habits of every user in process, as the features job does for all."""

    def __init__(self, half_lives_ms: Sequence[int] = HALF_LIVES_MS) -> None:
        """Count at these half-lives."""
        self._half_lives = np.array(half_lives_ms, np.float64)
        self._pages: dict[int, _Page] = {}

    def learn(self, user: int, basket: Ints, at_ms: int) -> None:
        """Count a visit: items from 1, each once; a user's visits come in order of time."""
        if (page := self._pages.get(user)) is None:
            page = self._pages[user] = _Page(len(self._half_lives), at_ms)
        page.decay(np.exp2(-(at_ms - page.at_ms) / self._half_lives), at_ms)
        page.add(basket)

    def of(self, user: int, at_ms: int) -> Habits:
        """Return the habits of a user as of an instant not before his last visit; none for a user without a visit."""
        if (page := self._pages.get(user)) is None:
            return Habits()
        fade = np.exp2(-(at_ms - page.at_ms) / self._half_lives)
        n = len(page.place)
        items = np.fromiter(page.place, np.int64, n)
        return Habits(items, page.counts[:n] * fade, page.last_ms[:n].copy(), page.visits * fade)


class _Page:
    """Of one user: the place of each item, and counts that stand for `at_ms`."""

    def __init__(self, half_lives: int, at_ms: int) -> None:
        self.at_ms = at_ms
        self.place: dict[int, int] = {}
        self.counts = np.zeros((16, half_lives))
        self.last_ms = np.zeros(16, np.int64)
        self.visits = np.zeros(half_lives)

    def decay(self, fade: Reals, at_ms: int) -> None:
        self.counts[: len(self.place)] *= fade
        self.visits *= fade
        self.at_ms = at_ms

    def add(self, basket: Ints) -> None:
        places = [self.place.setdefault(item, len(self.place)) for item in basket.tolist()]
        while len(self.place) > len(self.last_ms):
            self.counts = np.concatenate([self.counts, np.zeros_like(self.counts)])
            self.last_ms = np.concatenate([self.last_ms, np.zeros_like(self.last_ms)])
        self.counts[places] += 1.0
        self.last_ms[places] = self.at_ms
        self.visits += 1.0


def habit_features(habits: Habits, items: Ints, loyalty: Reals, now_ms: int) -> Reals:
    """Return what a user's habits say of some items, float64 [n, 7], in the order of `COLUMNS`.

    Args:
        habits: the user's.
        items: int64 [n].
        loyalty: float64 [n], above 0.
        now_ms: the instant of the habits.
    """
    place = _places(habits, items)
    is_known = place < len(habits)
    counts = np.concatenate([habits.counts, np.zeros((1, 3))])[place]
    last_ms = np.append(habits.last_ms, now_ms)[place]
    rates = np.log((counts + COUNT_PRIORS) / np.where([True, False, True], habits.visits + 1.0, 1.0))
    known = is_known.astype(np.float64)
    age = known * np.log((now_ms - last_ms) / DAY_MS + 0.5)
    return np.column_stack([known, rates, age, age**2, known * np.log(loyalty)])


def _places(habits: Habits, items: Ints) -> Ints:
    # The position of each item among the habits; one past the end for an item that is not there.
    if not len(habits):
        return np.zeros(len(items), np.int64)
    order = np.argsort(habits.items)
    place = np.minimum(np.searchsorted(habits.items, items, sorter=order), len(habits) - 1)
    return np.where(habits.items[order[place]] == items, order[place], len(habits))


class Repeat:
    """Proposes what the user has bought before; for a user who bought nothing, nothing."""

    name = "repeat"

    def __init__(self, loyalty: Loyalty, weights: Reals = FITTED) -> None:
        """Weigh the columns of `habit_features` by these."""
        self._loyalty = loyalty
        self._weights = weights

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items of the user's habits, by how likely the next visit has them, on a scale of its own."""
        habits = user.habits
        columns = habit_features(habits, habits.items, self._loyalty.loyalty(habits.items), user.now_ms)
        scores = np.exp(columns @ self._weights)
        order = best(scores, k)
        count_of = dict(zip(habits.items[order].tolist(), habits.counts[order, -1].tolist(), strict=True))
        return Found(
            habits.items[order], scores[order].astype(np.float32), each(lambda item: _because(item, count_of[item]))
        )


def _because(item: int, count: float) -> Evidence:
    return Evidence("habit", (item,), "bought again and again" if count >= 2.0 else "bought before", count)
