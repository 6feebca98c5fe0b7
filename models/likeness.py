"""How alike items are by what the catalogue says of them, and by the model's vectors where it has them.

An item is a sparse vector: one weight for its product type, category, department and brand, for the words of its title,
and for its price. A rare word or brand weighs more than a common one (inverse document frequency, Sparck Jones, 1972).
Likeness is the cosine. The vectors are exact, without hashing, and looked up through lists of the items of each term, so
that a search costs what the item's terms have in common with others: about a millisecond for 50,000 items.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freshet.models.assortment import PLACES, Assortment, Bools, Ints
from freshet.models.compiled import INT, REAL32, array, compiled
from freshet.models.vocabulary import UNKNOWN

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

WEIGHTS: Mapping[str, float] = {
    "product_type": 1.0,
    "category": 0.7,
    "department": 0.2,
    "brand": 0.5,
    "word": 0.5,
    "price": 0.6,
}
MODEL_SHARE = 0.3
"""Part of the likeness of two items that their model vectors make up, where both have one."""

PRICE_STEP = float(np.log(1.5))
"""Prices this far apart, as a factor, have half of their weight in common; twice as far, nothing."""

ALIKE = 0.25
"""An item that is less like any other has no proxy."""

PAUSE_S = 15.0
SHARE_OF_REST = 20.0

WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class Terms:
    """Weighted terms of items, sorted by item, and again by term: a sparse matrix that is read by row and by column.

    Attributes:
        starts: int64 [N + 2], where the terms of each item begin.
        terms: int64 [M], the terms, item by item.
        weights: float32 [M], their weights; the squares of an item's add up to 1.
        term_starts: int64 [T + 1], where the items of each term begin.
        items: int64 [M], the items, term by term, those of each in their order.
        item_weights: float32 [M], the weight of the term for each.
    """

    starts: Ints
    terms: Ints
    weights: Floats
    term_starts: Ints
    items: Ints
    item_weights: Floats

    @classmethod
    def of(cls, items: Ints, terms: Ints, weights: NDArray[np.float64], size: int) -> "Terms":
        """Weigh terms [M] of items below `size` by how rare they are, and bring each item to length 1."""
        count = int(terms.max(initial=-1)) + 1
        rarity = np.log1p((size - 1) / np.maximum(np.bincount(terms, minlength=count), 1))
        rare = weights * rarity[terms]
        lengths = np.sqrt(np.bincount(items, rare**2, minlength=size))
        unit = np.asarray(rare / np.maximum(lengths, 1e-12)[items], dtype=np.float32)
        by_item, by_term = np.argsort(items, kind="stable"), np.lexsort((items, terms))
        return cls(
            starts=np.concatenate(([0], np.cumsum(np.bincount(items, minlength=size)))),
            terms=terms[by_item],
            weights=unit[by_item],
            term_starts=np.concatenate(([0], np.cumsum(np.bincount(terms, minlength=count)))),
            items=items[by_term],
            item_weights=unit[by_term],
        )

    def cosines(self, item: int) -> Floats:
        """Return the cosine of an item with every item, float32 [N + 1]."""
        here = slice(self.starts[item], self.starts[item + 1])
        scores = np.zeros(len(self.starts) - 1, np.float32)
        for term, weight in zip(self.terms[here].tolist(), self.weights[here].tolist(), strict=True):
            those = slice(self.term_starts[term], self.term_starts[term + 1])
            scores[self.items[those]] += weight * self.item_weights[those]  # an item has a term once
        return scores

    def most_alike(self, item: int, up_to: int) -> tuple[int, float]:
        """Return the item from 1 to `up_to` that has the largest cosine with another one, the lower of equals, and that.

        It costs what these items share with it, so that it may be asked while a list waits.
        """
        here = slice(self.starts[item], self.starts[item + 1])
        scores = summed_up_to(
            self.terms[here], self.weights[here], self.term_starts, self.items, self.item_weights, up_to
        )
        found = int(scores.argmax())
        return found, float(scores[found])


@compiled((array(INT), array(REAL32), array(INT), array(INT), array(REAL32), INT))
def summed_up_to(
    terms: Ints, weights: Floats, term_starts: Ints, items: Ints, item_weights: Floats, up_to: int
) -> Floats:
    """Return the cosines of the items 0 to `up_to` with one that has these terms, float32; the others are of `Terms`."""
    scores = np.zeros(up_to + 1, np.float32)
    for term, weight in zip(terms, weights):  # noqa: B905 - what compiles it knows no `strict`
        for at in range(term_starts[term], term_starts[term + 1]):
            if items[at] > up_to:
                break
            scores[items[at]] += weight * item_weights[at]
    return scores


@dataclass(frozen=True, eq=False)
class Likeness:
    """Finds like items in one snapshot of the assortment.

    Attributes:
        terms: of the items.
        vectors: float32 [V + 1, d], the model's vectors at length 1, zeros where there is none; None without a model's.
        described: `Assortment.described` of the snapshot.
    """

    terms: Terms
    vectors: Floats | None
    described: int

    @classmethod
    def of(cls, assortment: Assortment, vectors: Floats | None = None) -> "Likeness":
        """Describe the items of a snapshot.

        Args:
            assortment: the items.
            vectors: float32 [V + 1, d], the model's vectors as `item_table` gives them; row 0 is nobody's.
        """
        parts = [*_places(assortment), _words(assortment), *_prices(assortment)]
        base, items, terms, weights = 0, [], [], []
        for those, codes, shares in parts:
            items.append(those)
            terms.append(codes + base)
            weights.append(shares)
            base += int(codes.max(initial=-1)) + 1
        size = len(assortment) + 1
        described = Terms.of(np.concatenate(items), np.concatenate(terms), np.concatenate(weights), size)
        return cls(described, None if vectors is None else centred(vectors), assortment.described)

    def __len__(self) -> int:
        """Return the highest index that is described."""
        return len(self.terms.starts) - 2

    def to(self, item: int) -> Floats:
        """Return how like an item every item is, float32 [N + 1], from 0 to 1; zeros for an item that is not described."""
        if not 1 <= item <= len(self):
            return np.zeros(len(self) + 1, np.float32)
        scores = self.terms.cosines(item)
        if self.vectors is not None and item < len(self.vectors) and self.vectors[item].any():
            known = slice(1, len(self.vectors))
            scores *= np.float32(1 - MODEL_SHARE)
            scores[known] += np.float32(MODEL_SHARE) * np.maximum(self.vectors[known] @ self.vectors[item], 0)
        return scores

    def nearest(self, item: int, k: int, among: Bools | None = None) -> tuple[Ints, Floats]:
        """Return the k items that are most like an item, and how like they are, most first; it is not one of them.

        Args:
            item: the item.
            k: how many; fewer come when fewer have anything in common with it.
            among: bool [at least N + 1], which may be found; all if None.
        """
        scores = self.to(item)
        scores[[UNKNOWN, *([item] if item <= len(self) else [])]] = 0.0
        if among is not None:
            scores[~among[: len(scores)]] = 0.0
        # Most items have something in common with most others: those at half of the best are few, and mostly enough.
        found = np.flatnonzero(scores > scores.max() / 2)
        if len(found) < k:
            found = np.flatnonzero(scores)
        found = found[np.argsort(-scores[found], kind="stable")][:k]
        return found.astype(np.int64), scores[found]

    def proxy(self, item: int, known: int) -> int:
        """Return what stands for an item where only the items 1 to `known` can be scored: itself, or the most like one.

        0 if there is none that is like it.
        """
        if item <= known:
            return item
        found, score = self.terms.most_alike(item, known) if item <= len(self) else (UNKNOWN, 0.0)
        return found if score >= ALIKE else UNKNOWN


def centred(vectors: Floats) -> Floats:
    """Return vectors less their mean, at length 1; row 0 and rows of zeros stay zeros.

    Trained vectors share a direction, popularity, by which all would be alike.
    """
    is_there = vectors.any(axis=1)
    is_there[UNKNOWN] = False
    moved = np.where(is_there[:, None], vectors - vectors[is_there].mean(axis=0) if is_there.any() else 0.0, 0.0)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved / np.where(lengths > 0, lengths, 1.0), np.float32)


Part = tuple[Ints, Ints, NDArray[np.float64]]
"""Items, a term for each, and its weight for it."""


def _places(assortment: Assortment) -> Iterable[Part]:
    for name in PLACES:
        codes = getattr(assortment, name)
        items = np.flatnonzero(codes)
        yield items, codes[items].astype(np.int64), np.full(len(items), WEIGHTS[name])


def _words(assortment: Assortment) -> Part:
    """Return the words of the titles; the weight of a title is shared by its words."""
    code_of: dict[str, int] = {}
    coded: dict[str, list[int]] = {}
    items, codes, weights = [], [], []
    for item, title in sorted(dict(assortment.titles).items()):
        if title not in coded:
            coded[title] = sorted({code_of.setdefault(word, len(code_of)) for word in WORD.findall(title.lower())})
        words = coded[title]
        if item <= len(assortment) and words:
            items += [item] * len(words)
            codes += words
            weights += [WEIGHTS["word"] / len(words) ** 0.5] * len(words)
    return np.array(items, np.int64), np.array(codes, np.int64), np.array(weights, np.float64)


def _prices(assortment: Assortment) -> Iterable[Part]:
    """Yield each price as two terms, the steps below and above it, so that near prices have most of it in common."""
    items = np.flatnonzero(assortment.price > 0)
    at = np.log(assortment.price[items]) / PRICE_STEP
    lowest = np.floor(at.min(initial=0.0))
    below = np.floor(at)
    share = at - below
    codes = (below - lowest).astype(np.int64)
    both = np.concatenate((codes, codes + 1))
    weights = WEIGHTS["price"] * np.concatenate((1 - share, share))
    yield np.concatenate((items, items)), both, weights


class LikenessFeed:
    """Keeps the likeness of a worker's items current in a daemon thread; `current` is replaced as a whole.

    It is made anew when items have come or are described in another way; that may take a second of a processor for
    100,000 items, so it rests for many times as long. A price or stock that changes asks for nothing.
    """

    def __init__(
        self, assortment: Callable[[], Assortment], vectors: Floats | None = None, *, pause_s: float = PAUSE_S
    ) -> None:
        """Describe what there is now.

        Args:
            assortment: gives the newest snapshot.
            vectors: the model's, see `Likeness.of`.
            pause_s: how long to wait at least before it is made anew.
        """
        self._assortment = assortment
        self._vectors = vectors
        self._pause_s = pause_s
        self._is_over = threading.Event()
        self.current = Likeness.of(assortment(), vectors)

    def start(self) -> None:
        """Begin to follow."""
        threading.Thread(target=self._follow, name="likeness", daemon=True).start()

    def stop(self) -> None:
        """Describe nothing anew from now on."""
        self._is_over.set()

    def _follow(self) -> None:
        took_s = 0.0
        while not self._is_over.wait(max(self._pause_s, SHARE_OF_REST * took_s)):
            begun = time.monotonic()
            try:
                self.refresh()
            except Exception:
                log.exception("Like items could not be described anew; the last description is used.")
            took_s = time.monotonic() - begun

    def refresh(self) -> None:
        """Describe the items anew if they have changed."""
        assortment = self._assortment()
        if assortment.described != self.current.described or len(assortment) != len(self.current):
            self.current = Likeness.of(assortment, self._vectors)
