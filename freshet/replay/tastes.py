"""What each household likes, estimated from its purchases, in a form that a generator can draw from quickly.

Nothing is fitted: a uniform draw from a household's purchase lines draws a category as often as it was bought, a
uniform draw from a category's lines draws an item by its popularity (which falls off like Zipf's law, as it does in any
shop), and a uniform draw from the items that followed an item in the same household and category is a step of the
item-to-item chain.
"""

import random
from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.integer[Any]]


class Groups:
    """Values in groups; a uniform draw from a group draws each value as often as it occurs there."""

    def __init__(self, group: Ints, values: Ints, count: int) -> None:
        ends = np.bincount(group, minlength=count).cumsum()
        # Python's own arrays: an element of a NumPy array takes several times as long to read.
        self._starts = array("q", np.concatenate(([0], ends)).astype(np.int64).tobytes())
        self._values = array("q", values[np.argsort(group, kind="stable")].astype(np.int64).tobytes())

    def draw(self, group: int, rng: random.Random) -> int | None:
        """Return one value of the group, or None when it is empty."""
        start, end = self._starts[group], self._starts[group + 1]
        return self._values[start + int(rng.random() * (end - start))] if end > start else None


@dataclass(frozen=True)
class Tastes:
    """Households, items and categories by number, and the groups that the generator draws from."""

    households: list[str]
    items: list[str]
    categories: list[str]
    prices: list[float]
    baskets: list[int]  # of each household: how often it comes
    hours: list[float]  # traffic by hour of day, 1 on average
    category: Groups  # by household
    anyones_category: Groups  # one group
    popular: Groups  # items by category
    own: Groups  # items by household and category
    following: Groups  # items by the item before

    def own_item(self, household: int, category: int, rng: random.Random) -> int | None:
        """Return an item that the household buys in the category, or None when it buys nothing there."""
        return self.own.draw(household * len(self.categories) + category, rng)


def estimate(lines: pd.DataFrame, products: pd.DataFrame) -> Tastes:
    """Estimate tastes from `journey.purchases()` and `journey.products()`.

    Lines of items without a category or a price are left out: nobody browses for them.
    """
    lines = _with_category_and_price(lines, products)
    household, households = pd.factorize(lines["household_id"], sort=True)
    item, items = pd.factorize(lines["product_id"], sort=True)
    category, categories = pd.factorize(lines["product_category"], sort=True)
    shelf = household * len(categories) + category
    before, after = _steps(shelf, item, lines["basket_id"].to_numpy())
    return Tastes(
        households=[str(name) for name in households],
        items=[str(name) for name in items],
        categories=[str(name) for name in categories],
        prices=lines.groupby(item)["price"].first().tolist(),
        baskets=lines.groupby(household)["basket_id"].nunique().tolist(),
        hours=_hours(lines["event_time"].to_numpy()),
        category=Groups(household, category, len(households)),
        anyones_category=Groups(np.zeros_like(category), category, 1),
        popular=Groups(category, item, len(categories)),
        own=Groups(shelf, item, len(households) * len(categories)),
        following=Groups(before, after, len(items)),
    )


def _with_category_and_price(lines: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    known = products.dropna(subset=["product_category", "price"])[["product_id", "product_category", "price"]]
    return lines[lines["quantity"] > 0].merge(known, on="product_id", how="inner")


def _steps(shelf: Ints, item: Ints, basket: Ints) -> tuple[Ints, Ints]:
    """Return pairs of different items that a household bought one after the other in one category.

    Lines of one basket have no order of their own, so such a pair counts in both directions.
    """
    order = np.argsort(shelf, kind="stable")
    shelf, item, basket = shelf[order], item[order], basket[order]
    step = (shelf[1:] == shelf[:-1]) & (item[1:] != item[:-1])
    both = step & (basket[1:] == basket[:-1])
    before = np.concatenate((item[:-1][step], item[1:][both]))
    after = np.concatenate((item[1:][step], item[:-1][both]))
    return before, after


def _hours(event_time: Ints) -> list[float]:
    counts = np.bincount(event_time // 3_600_000 % 24, minlength=24).astype(float)
    return list((counts / counts.mean()).tolist())
