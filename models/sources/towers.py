"""Two towers: the user's latest items become a vector, and the items whose vectors are nearest to it are candidates.

Up to `EXACT_UP_TO` items every one is compared: that is exact, needs no package, and takes 0.3 ms. Above, a graph of
neighbours is searched (HNSW, Malkov and Yashunin, TPAMI 2018). The figures are in docs/adr/0017-nearest-neighbours.md.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models.best import best
from freshet.models.npz import read_arrays
from freshet.models.sources.source import Evidence, Floats, Found, each
from freshet.models.user_state import NOTHING, Ints, UserState

NAME = "two-tower"
EXACT_UP_TO = 20_000


@dataclass(frozen=True, eq=False)
class Towers:
    """What was learnt, in one space.

    Attributes:
        inputs: float32 [V + 1, d], what an item says of who has it among his latest ones; row 0 is zero.
        items: float32 [V + 1, d], of length 1, where the item stands; row 0 is zero.
        positions: float32 [n], the weight of the latest item, of the one before, and so on.
    """

    inputs: Floats
    items: Floats
    positions: Floats

    def user(self, recent: Ints) -> Floats:
        """Return the vector of who had these items, newest first: float32 [d] of length 1, or zero if none is known."""
        recent = recent[: len(self.positions)]
        vector = self.positions[: len(recent)] @ self.inputs[recent]
        length = float(np.linalg.norm(vector))
        return np.asarray(vector / length if length else vector, dtype=np.float32)

    def write(self, path: Path) -> None:
        """Write the towers as a compressed npz of halves."""
        halves = {name: value.astype(np.float16) for name, value in vars(self).items()}
        np.savez_compressed(path, **halves)

    @classmethod
    def read(cls, path: Path) -> "Towers":
        """Read towers back.

        Raises:
            ValueError: the file is not what `write` writes.
        """
        parts = read_arrays(path, "inputs", "items", "positions", what="two towers")
        return cls(*(part.astype(np.float32) for part in parts))


class Index(Protocol):
    """Finds the nearest of many vectors; new ones can be put in at any time."""

    def nearest(self, vector: Floats, k: int) -> tuple[Ints, Floats]:
        """Return at most k (item indices, cosines), nearest first, cosines above 0."""

    def put(self, item: int, vector: Floats) -> None:
        """Add an item, or move it."""


class ExactIndex:
    """Compares with every vector."""

    AT_ONCE = 2**18
    """Products in one call: for 460,800 and more OpenBLAS uses threads, which wait for each other where cores are busy."""

    def __init__(self, vectors: Floats) -> None:
        """Take the vectors, float32 [V + 1, d] of length 1; a row of zeros is found never."""
        self._vectors = vectors

    def nearest(self, vector: Floats, k: int) -> tuple[Ints, Floats]:
        """Return at most k (item indices, cosines), nearest first, cosines above 0."""
        rows = self.AT_ONCE // len(vector)
        blocks = [self._vectors[begin : begin + rows] @ vector for begin in range(0, len(self._vectors), rows)]
        cosines = np.concatenate(blocks)
        items = best(cosines, k)
        return items, np.asarray(cosines[items], dtype=np.float32)

    def put(self, item: int, vector: Floats) -> None:
        """Add an item, or move it."""
        if item >= len(self._vectors):
            room = np.zeros((item + 1 - len(self._vectors), self._vectors.shape[1]), np.float32)
            self._vectors = np.concatenate((self._vectors, room))
        self._vectors[item] = vector


class GraphIndex:
    """Searches a graph of neighbours: approximate, in a fraction of the time where there are many vectors."""

    CONNECTIVITY, BUILD_WIDTH, SEARCH_WIDTH = 16, 128, 256

    def __init__(self, vectors: Floats) -> None:
        """Take the vectors, float32 [V + 1, d] of length 1; rows of zeros are left out.

        Raises:
            FreshetError: the package that searches is not installed.
        """
        try:
            library = import_module("usearch.index")
        except ImportError:
            text = f"{len(vectors) - 1:,} vectors are too many to compare with each"
            raise FreshetError(f'{text}: run pip install "freshet[ann]".') from None
        self._index: Any = library.Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=self.CONNECTIVITY,
            expansion_add=self.BUILD_WIDTH,
            expansion_search=self.SEARCH_WIDTH,
        )
        there = np.flatnonzero(vectors.any(axis=1))
        self._index.add(there, vectors[there], threads=1)

    def nearest(self, vector: Floats, k: int) -> tuple[Ints, Floats]:
        """Return at most k (item indices, cosines), nearest first, cosines above 0."""
        if k < 1:  # usearch refuses it
            return NOTHING, np.zeros(0, np.float32)
        found = self._index.search(vector, k, threads=1)
        cosines = np.asarray(1.0 - found.distances, dtype=np.float32)
        near = cosines > 0
        return found.keys[near].astype(np.int64), cosines[near]

    def put(self, item: int, vector: Floats) -> None:
        """Add an item, or move it."""
        if item in self._index:
            self._index.remove(item)
        self._index.add(item, vector, threads=1)


def index_of(vectors: Floats, exact_up_to: int = EXACT_UP_TO) -> Index:
    """Return the index that suits so many vectors."""
    return ExactIndex(vectors.copy()) if len(vectors) - 1 <= exact_up_to else GraphIndex(vectors)


class TowerSource:
    """The items nearest to the user's vector."""

    name = NAME

    def __init__(self, towers: Towers, index: Index) -> None:
        """Take the towers and an index of their items."""
        self._towers = towers
        self._index = index

    def candidates(self, user: UserState, k: int) -> Found:
        """Return the k nearest items; nothing for a user of whom no known item is known."""
        recent = np.where(user.items < len(self._towers.inputs), user.items, 0)
        items, cosines = self._index.nearest(self._towers.user(recent), k)
        return Found(items, cosines, each(lambda item: self._because(recent, item)))

    def _because(self, recent: NDArray[np.int64], item: int) -> Evidence:
        vector = self._towers.items[item] if item < len(self._towers.items) else self._towers.items[0]
        weights = self._towers.positions[: len(recent)]
        parts = weights * (self._towers.inputs[recent[: len(weights)]] @ vector)
        behind = recent[best(parts, 3)]
        cosine = float(self._towers.user(recent) @ vector)
        return Evidence("vector", tuple(dict.fromkeys(behind.tolist())), "in taste near", cosine)
