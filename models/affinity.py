"""How much users care for the categories of their candidates: decayed counts of their events, read for each batch."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from freshet.models.features import AFFINITY_HALF_LIVES_MS, CANDIDATE_SOURCES
from freshet.udfs.read_features import FeatureReader

VIEW = CANDIDATE_SOURCES[0].view
KEYS = ("subject", "category")
FEATURES = tuple(source.feature for source in CANDIDATE_SOURCES if source.view == VIEW)

HALF_LIVES_MS = np.array(AFFINITY_HALF_LIVES_MS, np.float64)


class Affinities:
    """Reads users' counts in the categories of their candidates, which a vocabulary numbers from 1.

    A user's candidates are of some eighty categories and his events of a few, so only those are asked for.
    """

    def __init__(self, reader: FeatureReader, categories: Sequence[str]) -> None:
        """Prepare what the keys of a category share; `reader` reads `FEATURES` of `VIEW` by `KEYS`."""
        self._reader = reader
        self._number_of = {category: number for number, category in enumerate(categories, start=1)}
        self._begins = [b"", *(reader.key_of.begin(category) for category in categories)]

    def of(
        self, users: Sequence[tuple[str, Iterable[str]]], as_of: NDArray[np.int64], kinds: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Return the counts of users [B] in categories [B, C] as of times, ms [B]: float64 [B, C, 2].

        A user is a subject and the names of the categories in which there is something to read; others count 0.

        Raises:
            redis.RedisError: the store did not answer.
        """
        table = np.zeros((len(users), len(self._begins), len(FEATURES)))
        keys: list[bytes] = []
        places: list[tuple[int, int]] = []
        is_asked = np.zeros(table.shape[:2], np.bool_)
        is_asked[np.arange(len(users))[:, None], kinds] = True
        for row, (subject, categories) in enumerate(users):
            end, of_candidates = self._reader.key_of.end(subject), is_asked[row]
            wanted = {kind for one in categories if (kind := self._number_of.get(one, 0)) and of_candidates[kind]}
            keys += [self._begins[kind] + end for kind in wanted]
            places += [(row, kind) for kind in wanted]
        if keys:
            there = self._reader.numbers(keys)
            row, kind = np.array(places)[there.positions].T
            age = np.maximum(as_of[row] - there.as_of, 0)
            table[row, kind] = there.values * np.exp2(-age[:, None] / HALF_LIVES_MS)
        return np.asarray(table[np.arange(len(users))[:, None], kinds])
