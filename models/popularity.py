"""The items' decayed counts as one matrix in memory, read from the store in the background.

A list has hundreds of candidates. To read their features for every event would be hundreds of times the traffic of the
user's own; the whole vocabulary every few seconds is little.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from freshet.models.features import POPULARITY_HALF_LIVES_MS
from freshet.udfs.read_features import Reading

log = logging.getLogger(__name__)

FEATURES = ("item_events_ewma_1h", "item_events_ewma_24h")

SLICE = 64  # items a reading: well under a millisecond
RETRY_S = 2.0
HALF_LIVES_MS = np.array(POPULARITY_HALF_LIVES_MS, np.float64)

ReadItems = Callable[[Sequence[Sequence[str]]], list[Reading]]


@dataclass(frozen=True, eq=False)
class Popularity:
    """Decayed event counts of every item of the vocabulary, as of the latest event time among them.

    Attributes:
        counts: float64 [V + 1, 2], in the order of `FEATURES`; row 0 is nobody's.
        latest: that time, in milliseconds; 0 where nothing has happened.
        order: int64 [V], item indices by their count of the longer half-life, most first. It holds at any later time
            too, since all counts decay alike; equal counts stand in the order of the vocabulary.
        generation: grows with every sweep of the store.
    """

    counts: NDArray[np.float64]
    latest: int
    order: NDArray[np.int64]
    generation: int

    @classmethod
    def standing(cls, counts: NDArray[np.float64], as_of: NDArray[np.int64], generation: int) -> "Popularity":
        """Bring counts [V + 1, 2] that stand each for a time of its own, ms [V + 1], to the latest of the times."""
        latest = int(as_of.max(initial=0))
        now = counts * np.exp2(-(latest - as_of)[:, None] / HALF_LIVES_MS)
        order = np.argsort(-now[1:, 1], kind="stable") + 1
        return cls(now, latest, np.asarray(order, np.int64), generation)

    def of(self, items: NDArray[np.int64], now_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the counts of items [B, C] as of times, ms [B]: float64 [B, C, 2]; nothing is brought back in time."""
        age = np.maximum(now_ms - self.latest, 0)[:, None, None]
        return np.asarray(self.counts[self._counted(items)] * np.exp2(-age / HALF_LIVES_MS))

    @cached_property
    def shares(self) -> NDArray[np.float32]:
        """The part of all events that each item has, by the longer half-life: float32 [V + 1]."""
        longer = self.counts[:, 1]
        return np.asarray(longer / max(float(longer.sum()), 1.0), dtype=np.float32)

    def share(self, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the part of all events that each of these items has, float32 [n]."""
        return self.shares[self._counted(items)]

    def _counted(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the items, and 0, which has no events, for those that came after the last sweep."""
        return np.where(items < len(self.counts), items, 0)


class PopularityFeed:
    """Keeps the counts current in a daemon thread; `current` is replaced as a whole, never changed in place.

    A sweep reads the model's items, and in turn as many of those that only the catalogue knows, in slices with a pause
    between them: one long reading would hold up the events that this process scores meanwhile.
    """

    def __init__(self, read: ReadItems, items: Callable[[], Sequence[str]], often: int, sweep_s: float) -> None:
        """Read all counts once.

        Args:
            read: reads `FEATURES` of items.
            items: gives the items that there are, those of index 1, 2 ...; they may become more.
            often: how many of the first items every sweep reads.
            sweep_s: how long a sweep takes.

        Raises:
            redis.RedisError: the store did not answer.
        """
        self._read = read
        self._items = items
        self._often = often
        self._sweep_s = sweep_s
        self._counts, self._as_of = np.zeros((1, len(FEATURES))), np.zeros(1, np.int64)
        self._next = often
        self._is_over = threading.Event()
        self._swept_at_s = time.monotonic()
        self.current = self._swept(range(len(items())), generation=1, sweep_s=0.0)

    @property
    def age_s(self) -> float:
        """Seconds since the last sweep began of which the counts are."""
        return time.monotonic() - self._swept_at_s

    def start(self) -> None:
        """Begin to follow the store."""
        threading.Thread(target=self._follow, name="popularity", daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._is_over.set()

    def _follow(self) -> None:
        while not self._is_over.is_set():
            try:
                begun = time.monotonic()
                self.current = self._swept(self._turn(), self.current.generation + 1, self._sweep_s)
                self._swept_at_s = begun
            except Exception:
                if not self._is_over.is_set():
                    log.exception("Item popularity could not be read; the last reading is used.")
                self._is_over.wait(RETRY_S)

    def _turn(self) -> list[int]:
        """Return the positions of the items whose turn it is."""
        others = range(self._next, min(self._next + self._often, len(self._items())))
        self._next = others.stop if others else self._often
        return [*range(self._often), *others]

    def _swept(self, positions: Sequence[int], generation: int, sweep_s: float) -> Popularity:
        items = self._items()
        more = len(items) + 1 - len(self._counts)
        self._counts = np.pad(self._counts, ((0, more), (0, 0)))
        self._as_of = np.pad(self._as_of, (0, more))
        for start in range(0, len(positions), SLICE):
            if self._is_over.wait(sweep_s * SLICE / len(positions)):
                break
            self._take(items, positions[start : start + SLICE])
        return Popularity.standing(self._counts, self._as_of, generation)

    def _take(self, items: Sequence[str], positions: Sequence[int]) -> None:
        for position, reading in zip(positions, self._read([(items[one],) for one in positions]), strict=True):
            if reading.as_of is not None:
                self._counts[position + 1] = [float(value or 0.0) for value in reading.values]  # type: ignore[arg-type]
                self._as_of[position + 1] = reading.as_of
