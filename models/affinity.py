"""How much users care for the categories of their candidates: decayed counts of their events, read for each batch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from freshet.models.features import AFFINITY_HALF_LIVES_MS, CANDIDATE_SOURCES
from freshet.udfs.read_features import FeatureReader

VIEW = CANDIDATE_SOURCES[0].view
KEYS = ("subject", "category")
FEATURES = tuple(source.feature for source in CANDIDATE_SOURCES if source.view == VIEW)

HALF_LIVES_MS = np.array(AFFINITY_HALF_LIVES_MS, np.float64)


class Affinities:
    """Reads a user's counts in some of the categories, which a vocabulary numbers from 1."""

    def __init__(self, reader: FeatureReader, categories: Sequence[str]) -> None:
        """Prepare what the keys of a category share; `reader` reads `FEATURES` of `VIEW` by `KEYS`."""
        self._reader = reader
        self._begins = [reader.key_of.begin(category) for category in categories]

    def of(self, subjects: Sequence[str], as_of: NDArray[np.int64], kinds: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the counts of users [B] in categories [B, C] as of times, ms [B]: float64 [B, C, 2].

        Category 0, and one in which the user has done nothing, count 0.

        Raises:
            redis.RedisError: the store did not answer.
        """
        table = np.zeros((len(subjects), len(self._begins) + 1, len(FEATURES)))
        keys: list[bytes] = []
        places: list[tuple[int, int]] = []
        for row, subject in enumerate(subjects):
            end = self._reader.key_of.end(subject)
            wanted = [kind for kind in set(kinds[row].tolist()) if kind]
            keys += [self._begins[kind - 1] + end for kind in wanted]
            places += [(row, kind) for kind in wanted]
        for at, reading in self._reader.found(keys):
            row, kind = places[at]
            age = max(int(as_of[row]) - (reading.as_of or 0), 0)
            table[row, kind] = np.array(reading.values, np.float64) * np.exp2(-age / HALF_LIVES_MS)
        return np.asarray(table[np.arange(len(subjects))[:, None], kinds])
