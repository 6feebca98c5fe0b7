"""The items' decayed counts as one matrix in memory, read from the store in the background.

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
        return np.asarray(self.counts[items] * np.exp2(-age / HALF_LIVES_MS))


class PopularityFeed:
    """Keeps the counts current in a daemon thread; `current` is replaced as a whole, never changed in place.

    A sweep reads the vocabulary in slices with a pause between them: one long reading would hold up the events that
    this process scores meanwhile.
    """

    def __init__(self, read: ReadItems, items: Sequence[str], sweep_s: float) -> None:
        """Read all counts once.

        Raises:
            redis.RedisError: the store did not answer.
        """
        self._read = read
        self._items = items
        self._pause_s = sweep_s * SLICE / max(len(items), 1)
        self.current = self._swept(generation=1, pause_s=0.0)

    def start(self) -> None:
        """Begin to follow the store."""
        threading.Thread(target=self._follow, name="popularity", daemon=True).start()

    def _follow(self) -> None:
        while True:
            try:
                self.current = self._swept(self.current.generation + 1, self._pause_s)
            except Exception:
                log.exception("Item popularity could not be read; the last reading is used.")
                time.sleep(RETRY_S)

    def _swept(self, generation: int, pause_s: float) -> Popularity:
        counts, as_of = np.zeros((len(self._items) + 1, len(FEATURES))), np.zeros(len(self._items) + 1, np.int64)
        for start in range(0, len(self._items), SLICE):
            time.sleep(pause_s)
            readings = self._read([(item,) for item in self._items[start : start + SLICE]])
            for index, reading in enumerate(readings, start=start + 1):
                if reading.as_of is not None:
                    counts[index] = [float(value or 0.0) for value in reading.values]  # type: ignore[arg-type]
                    as_of[index] = reading.as_of
        return Popularity.standing(counts, as_of, generation)
