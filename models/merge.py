"""Merges what the sources found into one pool a user: each source has its share, and every item keeps its source."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models.compiled import INT, INT32, REAL32, array, compiled, written
from freshet.models.sources.source import Finds, Floats
from freshet.models.user_state import Ints


class Share(NamedTuple):
    """What a placement gives one source.

    Attributes:
        name: of the source.
        quota: places of the pool that are kept for it; what it cannot fill goes to the others.
        weight: what its scores are multiplied by where they meet those of other sources.
    """

    name: str
    quota: int
    weight: float = 1.0


class Merged(NamedTuple):
    """Candidates of the B users of a batch with what every source said of them.

    Attributes:
        items: int64 [B, k], none twice: the quota of each source in the order of the shares, then what filled up, then 0.
        sources: int64 [B, k], position of the source that brought each in.
        scores: float32 [S, B, k], weighted score of each item by each source, 1 for the best that the source found and 0
            for what it did not find.
        finds: what each source found, to ask for evidence.
    """

    items: Ints
    sources: Ints
    scores: Floats
    finds: Sequence[Finds]


class Merger:
    """Merges for one thread; it keeps an array as long as the vocabulary, so that an item is looked up in no time."""

    def __init__(self, size: int) -> None:
        """Take the number of indices: one more than the highest item. What a source finds beyond it is left out."""
        self._size = size
        self._place = np.zeros(size, np.int32)

    def make_room(self, size: int) -> None:
        """Take it that items have indices up to size - 1 from now on."""
        self._size = size
        if size > len(self._place):
            self._place = np.zeros(2 * size, np.int32)

    def pools(self, finds: Sequence[Finds], shares: Sequence[Share], k: int) -> Merged:
        """Return at most k candidates for each user.

        Args:
            finds: what each source found, in the order of the shares. It may be more than its quota: it fills up what
                others leave, and its scores are kept wherever another source brings the item in.
            shares: the shares; their quotas add up to k or less.
            k: places.
        """
        shape = (len(finds), len(finds[0].items), max(one.items.shape[1] for one in finds))
        items, scores = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        for one, rows, those in zip(finds, items, scores, strict=True):
            width = one.items.shape[1]
            rows[:, :width], those[:, :width] = one.items, one.scores
        quotas = np.array([share.quota for share in shares], np.int64)
        weights = np.array([share.weight for share in shares], np.float32)
        return Merged(*merged(items, scores, quotas, weights, k, self._place[: self._size]), finds)


@compiled((array(INT, 3), array(REAL32, 3), array(INT), array(REAL32), INT, written(INT32)))
def merged(
    items: Ints, scores: Floats, quotas: Ints, weights: Floats, k: int, place_of: NDArray[np.int32]
) -> tuple[Ints, Ints, Floats]:
    """Return the first three of `Merged`.

    Args:
        items: int64 [S, B, n], what each source found, 0 behind the last.
        scores: float32 [S, B, n].
        quotas: int64 [S].
        weights: float32 [S].
        k: places.
        place_of: zeros for each item, which it is again afterwards; an item beyond its end is left out.
    """
    size, users, width = items.shape
    found, sources = np.zeros((users, k), np.int64), np.zeros((users, k), np.int64)
    table = np.zeros((size, users, k), np.float32)
    for user in range(users):
        n = 0
        # Second the rest goes round in the order of the shares: who stands first has proved the better source.
        for step in range(2 * size):
            source = step % size
            most = min(k, n + quotas[source]) if step < size else k
            for at in range(width):
                item = items[source, user, at]
                if n >= most or item == 0:
                    break
                if item < len(place_of) and place_of[item] == 0:
                    found[user, n], sources[user, n] = item, source
                    n += 1
                    place_of[item] = n
        for source in range(size):
            scale = weights[source] / scores[source, user, 0] if items[source, user, 0] else np.float32(0.0)
            for at in range(width):
                item = items[source, user, at]
                if item == 0:
                    break
                if item < len(place_of) and place_of[item]:
                    table[source, user, place_of[item] - 1] = scores[source, user, at] * scale
        place_of[found[user, :n]] = 0
    return found, sources, table
