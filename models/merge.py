"""Merges what the sources found for one user into one pool: each source has its share, and every item keeps its source."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models.sources.source import Floats, Found
from freshet.models.user_state import NOTHING, Ints


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
    """Candidates of one user with what every source said of them.

    Attributes:
        items: int64 [n], none twice: the quota of each source in the order of the shares, then what filled up.
        sources: uint8 [n], position of the source that brought each in.
        scores: float32 [S, n], weighted score of each item by each source, 1 for the best that the source found and 0
            for what it did not find.
        found: what each source found, to ask for evidence.
    """

    items: Ints
    sources: NDArray[np.uint8]
    scores: Floats
    found: Sequence[Found]


class Merger:
    """Merges for one thread; it keeps two arrays as long as the vocabulary, so that an item is looked up in no time."""

    def __init__(self, size: int) -> None:
        """Take the number of indices: one more than the highest item."""
        self._is_taken = np.zeros(size, np.bool_)
        self._place = np.zeros(size, np.int64)

    def make_room(self, size: int) -> None:
        """Take it that items may have indices up to size - 1 from now on."""
        if size > len(self._place):
            self._is_taken = np.zeros(2 * size, np.bool_)
            self._place = np.zeros(2 * size, np.int64)

    def pool(self, found: Sequence[Found], shares: Sequence[Share], k: int) -> Merged:
        """Return at most k candidates.

        Args:
            found: what each source found, in the order of the shares. It may be more than its quota: it fills up what
                others leave, and its scores are kept wherever another source brings the item in.
            shares: the shares; their quotas add up to k or less.
            k: places.
        """
        parts = self._quotas(found, shares, k)
        items = np.concatenate([NOTHING, *(part for _, part in parts)])
        self._is_taken[items] = False
        sources = np.repeat(
            np.array([number for number, _ in parts], np.uint8), np.array([len(part) for _, part in parts], np.int64)
        )
        return Merged(items, sources, self._scores(items, found, shares), found)

    def _quotas(self, found: Sequence[Found], shares: Sequence[Share], k: int) -> list[tuple[int, Ints]]:
        pairs = enumerate(zip(found, shares, strict=True))
        parts = [(number, self._fresh(one.items, share.quota)) for number, (one, share) in pairs]
        left = k - sum(len(part) for _, part in parts)
        # The rest goes round in the order of the shares: who stands first has proved the better source for the placement.
        for number, one in enumerate(found):
            if left <= 0:
                break
            part = self._fresh(one.items, left)
            left -= len(part)
            parts.append((number, part))
        return parts

    def _fresh(self, items: Ints, most: int) -> Ints:
        part = items[~self._is_taken[items]][:most]
        self._is_taken[part] = True
        return part

    def _scores(self, items: Ints, found: Sequence[Found], shares: Sequence[Share]) -> Floats:
        # Column n takes the scores of items that are not in the pool, and is left out at the end.
        scores = np.zeros((len(found), len(items) + 1), np.float32)
        self._place[items] = np.arange(len(items)) - len(items)
        for row, one, share in zip(scores, found, shares, strict=True):
            if len(one.items):
                row[self._place[one.items] + len(items)] = one.scores * (share.weight / one.scores[0])
        self._place[items] = 0
        return scores[:, :-1]
