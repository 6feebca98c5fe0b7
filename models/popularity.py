"""The items' features as one matrix in memory, read from the store in the background.

A list has hundreds of candidates. To read their features for every event would be hundreds of times the traffic of the
user's own; the whole vocabulary every few seconds is little.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freshet.models.features import POPULARITY_HALF_LIVES_MS
from freshet.udfs.read_features import Reading

log = logging.getLogger(__name__)

FEATURES = ("item_events_ewma_1h", "item_events_ewma_24h")

ReadItems = Callable[[Sequence[Sequence[str]]], list[Reading]]


@dataclass(frozen=True, eq=False)
class Popularity:
    """Decayed event counts of every item of the vocabulary, each as of its own time.

    Attributes:
        counts: float64 [V + 1, 2], in the order of `FEATURES`; row 0 is nobody's.
        as_of: int64 [V + 1], milliseconds; 0 for an item without events.
        generation: grows with every reading of the store.
    """

    counts: NDArray[np.float64]
    as_of: NDArray[np.int64]
    generation: int = 0

    @classmethod
    def none(cls, items: int) -> "Popularity":
        """Return the popularity of a vocabulary in which nothing has happened."""
        return cls(np.zeros((items + 1, len(FEATURES))), np.zeros(items + 1, np.int64))

    @property
    def latest(self) -> int:
        """The latest event time in the matrix, in milliseconds."""
        return int(self.as_of.max(initial=0))

    def at(self, now_ms: int) -> NDArray[np.float64]:
        """Return the counts decayed to an event time, float64 [V + 1, 2]; what is newer than it is taken as it is."""
        age = np.maximum(now_ms - self.as_of, 0)[:, None]
        return np.asarray(self.counts * np.exp2(-age / np.array(POPULARITY_HALF_LIVES_MS, np.float64)))


def read_popularity(read: ReadItems, items: Sequence[str], generation: int) -> Popularity:
    """Read the whole matrix from the store.

    Raises:
        redis.RedisError: the store did not answer.
    """
    result = Popularity.none(len(items))
    for index, reading in enumerate(read([(item,) for item in items]), start=1):
        if reading.as_of is not None:
            result.counts[index] = [float(value or 0.0) for value in reading.values]  # type: ignore[arg-type]
            result.as_of[index] = reading.as_of
    return Popularity(result.counts, result.as_of, generation)


class PopularityFeed:
    """Keeps a matrix current in a daemon thread; `current` is replaced as a whole, never changed in place."""

    def __init__(self, read: ReadItems, items: Sequence[str], pause_s: float) -> None:
        self._read = read
        self._items = items
        self._pause_s = pause_s
        self.current = read_popularity(read, items, generation=1)

    def start(self) -> None:
        """Begin to follow the store."""
        threading.Thread(target=self._follow, name="popularity", daemon=True).start()

    def _follow(self) -> None:
        while True:
            time.sleep(self._pause_s)
            try:
                self.current = read_popularity(self._read, self._items, self.current.generation + 1)
            except Exception:
                log.exception("Item popularity could not be read; the last reading is used.")
