"""How the shop stands: what follows for everybody from the counts and the catalogue, worked out before a list asks for it.

With 100,000 items that takes some tens of milliseconds, every few seconds. No list waits for it: a thread works it out, and
lists are made from the standing before until it is done.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models.assortment import Assortment
from freshet.models.features import trend_ratio
from freshet.models.popularity import Popularity
from freshet.models.user_state import Ints

log = logging.getLogger(__name__)

LEAST_RISE = 1.5
"""By how much the rate of the hour must exceed that of the day."""

LOOK_S = 0.25


class Shelves(NamedTuple):
    """The items by category, the most popular of each first.

    Attributes:
        items: int64 [n].
        ends: int64 [c + 1]: those of category c stand from `ends[c - 1]` up to `ends[c]`, and none has category 0.
    """

    items: Ints
    ends: Ints


class Rising(NamedTuple):
    """What happens more in these hours than it used to, most first: int64 [n], and how much more, float32 [n]."""

    items: Ints
    ratios: NDArray[np.float32]


class Newest(NamedTuple):
    """The items in the order in which they came, the newest first: int64 [n], and when each did, ms, int64 [n]."""

    items: Ints
    since: Ints


@dataclass(frozen=True)
class Standing:
    """The counts and the catalogue as they stand at one instant. All items that it names were in stock then."""

    popularity: Popularity
    assortment: Assortment

    @property
    def key(self) -> tuple[int, int]:
        """What changes when either does."""
        return self.popularity.generation, self.assortment.generation

    @cached_property
    def popular(self) -> Ints:
        """What happens most: int64 [n]."""
        return self._sold(self.popularity.order)

    @cached_property
    def rising(self) -> Rising:
        """What rises."""
        ratios = trend_ratio(self.popularity.counts[:, 0], self.popularity.counts[:, 1])
        rising = np.flatnonzero(ratios >= LEAST_RISE)
        items = self._sold(rising[np.argsort(-ratios[rising], kind="stable")])
        return Rising(items, ratios[items].astype(np.float32))

    @cached_property
    def shelves(self) -> Shelves:
        """What is popular in each category."""
        items = self.popular[self.assortment.category[self.popular] > 0]
        categories = self.assortment.category[items]
        return Shelves(items[np.argsort(categories, kind="stable")], np.cumsum(np.bincount(categories)))

    @cached_property
    def newest(self) -> Newest:
        """What is new."""
        since = self.assortment.available_since
        items = self._sold(np.flatnonzero(since > 0))
        items = items[np.argsort(-since[items], kind="stable")]
        return Newest(items, since[items])

    def prepare(self) -> "Standing":
        """Work all of it out, and return itself."""
        _ = self.popular, self.rising, self.shelves, self.newest
        return self

    def _sold(self, order: Ints) -> Ints:
        """Return the items of an order that the catalogue knows and has in stock."""
        order = order[order <= len(self.assortment)]
        return np.asarray(order[self.assortment.in_stock[order]], np.int64)


class StandingFeed:
    """Keeps the standing current in a daemon thread; `current` is replaced as a whole, worked out."""

    def __init__(self, now: Callable[[], Standing]) -> None:
        """Work out how the shop stands now."""
        self._now = now
        self._is_over = threading.Event()
        self.current = now().prepare()

    def start(self) -> None:
        """Begin to follow."""
        threading.Thread(target=self._follow, name="standing", daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._is_over.set()

    def _follow(self) -> None:
        while not self._is_over.wait(LOOK_S):
            try:
                self.refresh()
            except Exception:
                log.exception("How the shop stands could not be worked out; lists are made from how it stood before.")

    def refresh(self) -> None:
        """Work out how the shop stands now, if anything has changed."""
        standing = self._now()
        if standing.key != self.current.key:
            self.current = standing.prepare()
