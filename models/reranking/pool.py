"""What re-ranking works on: the scored candidates of one user, what is held against some of them, and what names mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from freshet.models.user_state import NOTHING, Ints, UserState

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

NOBODY: Mapping[int, float] = {}


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates of one user, n of them, in any order. A rule that needs an array that is None does nothing.

    Codes are positions in a vocabulary from 1; 0 stands for unknown, and no window or quota ever counts it.

    Attributes:
        items: int64 [n], indices of the items.
        scores: float32 [n], what the model says: log-odds, of which a difference means the same everywhere.
        sources: int64 [n], code of the source that brought each in.
        categories: int64 [n], code of the category.
        brands: int64 [n], code of the brand, or of the author or artist.
        prices: float32 [n], in the catalogue's currency; NaN where there is none.
        ages_ms: int64 [n], time since the item was first on sale; below 0 where that is not known.
        popularity: float32 [n], the item's part of all events, 0 to 1.
        impressions: int64 [n], how often it was shown to anybody.
        shown: int64 [n], how often it was shown to this user since he last clicked it.
        in_stock: bool [n], whether it can be had.
        promoted: bool [n], whether it is in a promotion.
        vectors: float32 [n, d] of length 1 each; a row of zeros is like nothing else.
        probabilities: outcome, such as `click` or `purchase`, -> float32 [n], its calibrated probability.
        relevance: float32 [n], from 0, how well the item fits the user's profile: 1 is neutral.
        steps: float32 [n], how many events ago the event was that the candidate comes from: 0 is the latest.
    """

    items: Ints
    scores: Floats
    sources: Ints | None = None
    categories: Ints | None = None
    brands: Ints | None = None
    prices: Floats | None = None
    ages_ms: Ints | None = None
    popularity: Floats | None = None
    impressions: Ints | None = None
    shown: Ints | None = None
    in_stock: Bools | None = None
    promoted: Bools | None = None
    vectors: Floats | None = None
    probabilities: Mapping[str, Floats] = field(default_factory=dict)
    relevance: Floats | None = None
    steps: Floats | None = None

    def __len__(self) -> int:
        return len(self.items)

    def codes(self, kind: str) -> Ints | None:
        """Return what `source`, `category` and `brand` are the names of."""
        return {"source": self.sources, "category": self.categories, "brand": self.brands}[kind]


@dataclass(frozen=True, eq=False)
class Past:
    """What a user has done and what he does not want, as far as the filters ask for it.

    Attributes:
        now_ms: the instant of the list.
        bought: int64 [m], items, repeats kept.
        bought_at: int64 [m], when each was, ms; empty where that is not known.
        bought_categories: int64 [m], category of each; empty where that is not known.
        cart: int64, items in the cart.
        seen: int64 [s], items that he has looked at.
        seen_at: int64 [s], when; empty where that is not known.
        played: int64 [p], items that he has played.
        played_at: int64 [p], when; empty where that is not known.
        blocked: int64, items that he does not want.
        blocked_categories: codes of the categories that he does not want.
        blocked_brands: codes of the brands that he does not want.
        boosts: code of a category -> log-odds, for the event rules that hold for him now.
    """

    now_ms: int = 0
    bought: Ints = field(default_factory=lambda: NOTHING)
    bought_at: Ints = field(default_factory=lambda: NOTHING)
    bought_categories: Ints = field(default_factory=lambda: NOTHING)
    cart: Ints = field(default_factory=lambda: NOTHING)
    seen: Ints = field(default_factory=lambda: NOTHING)
    seen_at: Ints = field(default_factory=lambda: NOTHING)
    played: Ints = field(default_factory=lambda: NOTHING)
    played_at: Ints = field(default_factory=lambda: NOTHING)
    blocked: Ints = field(default_factory=lambda: NOTHING)
    blocked_categories: Ints = field(default_factory=lambda: NOTHING)
    blocked_brands: Ints = field(default_factory=lambda: NOTHING)
    boosts: Mapping[int, float] = field(default_factory=lambda: NOBODY)

    @classmethod
    def of(cls, user: UserState) -> "Past":
        """Return what a user's state alone tells."""
        return cls(now_ms=user.now_ms, bought=user.bought, cart=user.basket, seen=user.items, seen_at=user.times)


@dataclass(frozen=True)
class Names:
    """What the names in the rules stand for: name -> index of an item, or code of a category, brand or source."""

    item: Mapping[str, int] = field(default_factory=dict)
    category: Mapping[str, int] = field(default_factory=dict)
    brand: Mapping[str, int] = field(default_factory=dict)
    source: Mapping[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> Mapping[str, int]:
        """Return the names of `item`, `category`, `brand` or `source`."""
        return {"item": self.item, "category": self.category, "brand": self.brand, "source": self.source}[kind]


def among(values: Ints, wanted: Ints) -> Bools:
    """Tell of each value whether it is one of those wanted: bool [n]. A few microseconds; `np.isin` takes several times that.

    >>> among(np.array([3, 1, 2]), np.array([2, 3, 9]))
    array([ True, False,  True])
    """
    if not len(wanted):
        return np.zeros(len(values), np.bool_)
    ordered = np.sort(wanted)
    found: Bools = ordered.take(ordered.searchsorted(values), mode="clip") == values
    return found
