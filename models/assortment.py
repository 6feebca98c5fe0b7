"""What is sold now: the catalogue as columns over the model's items and those that came after it.

Indices 1 to V are the model's items, in its own order; an item that only the catalogue knows gets the next free one when
it is first heard of. An index is never given to another item. `Shelves` takes changes in and gives snapshots, which
`AssortmentFeed` keeps current from the `catalog` topic (`assortment_feed.py`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models.vocabulary import UNKNOWN, Vocabulary
from freshet.schemas.avro import Record

NEVER = np.iinfo(np.int64).max
"""When a promotion ends that has no end, in milliseconds."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]


class Item(NamedTuple):
    """An item as the catalogue states it; times in milliseconds, None where it does not say."""

    in_stock: bool = True
    price: float | None = None
    promotion: str | None = None
    promotion_until: int | None = None
    available_since: int | None = None
    category: str | None = None
    department: str | None = None
    product_type: str | None = None
    brand: str | None = None
    title: str | None = None


def item_in(record: Record) -> Item:
    """Return what a record of `catalog` says: it is in stock unless it says no, or that there are none left."""
    stock = record["stock"]
    return Item(
        in_stock=record["in_stock"] and (stock is None or stock > 0),
        **{name: record[name] for name in Item._fields if name != "in_stock"},
    )


class Names:
    """Numbers names from 1; 0 is no name. It only grows, so that snapshots can share it."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = list(names)
        self.code_of = {name: code for code, name in enumerate(self.names, start=1)}

    def code(self, name: str | None) -> int:
        """Return the number of a name, a new one if it has none yet."""
        if not name:
            return UNKNOWN
        code = self.code_of.get(name)
        if code is None:
            self.names.append(name)
            code = self.code_of[name] = len(self.names)
        return code

    def name(self, code: int) -> str | None:
        """Return the name of a number; None for 0."""
        return self.names[code - 1] if code else None


PLACES = ("category", "department", "product_type", "brand")
"""Columns of where an item belongs, as numbers of names."""

COLUMNS: Mapping[str, type] = {
    "in_stock": np.bool_,
    "price": np.float64,
    "promotion": np.int32,
    "promotion_until": np.int64,
    "available_since": np.int64,
    **dict.fromkeys(PLACES, np.int32),
}


@dataclass(frozen=True, eq=False)
class Assortment:
    """The catalogue at an instant, as columns [N + 1] that nobody changes; row 0 is nobody's.

    Attributes:
        in_stock: whether it may be listed. An item that the catalogue has never named may, unless told otherwise.
        price: NaN where it is not known.
        promotion: number of the promotion's name in `names["promotion"]`, 0 for none; it may be over.
        promotion_until: when it is over, ms; 0 without one, `NEVER` where it has no end.
        available_since: since when it is sold, ms; 0 where that is not known.
        category, department, product_type, brand: numbers of names. Those of categories are the vocabulary's, and go on.
        names: the names behind the numbers, by column.
        titles: title by index. Shared with later snapshots: the newest titles.
        ids: the item of each index less 1. Shared, it only grows.
        index_of: the index of each item, shared too: an index is in it once a snapshot has it.
        generation: grows with every change.
        described: the generation in which a title or a place last changed.
    """

    in_stock: Bools
    price: NDArray[np.float64]
    promotion: Codes
    promotion_until: Ints
    available_since: Ints
    category: Codes
    department: Codes
    product_type: Codes
    brand: Codes
    names: Mapping[str, Names]
    titles: Mapping[int, str]
    ids: Sequence[str] = field(repr=False)
    index_of: Mapping[str, int] = field(repr=False)
    generation: int = 0
    described: int = 0

    def __len__(self) -> int:
        """Return the highest index."""
        return len(self.in_stock) - 1

    def index(self, item: str) -> int:
        """Return the index of an item, 0 if this snapshot does not know it."""
        index = self.index_of.get(item, UNKNOWN)
        return index if index <= len(self) else UNKNOWN

    def item(self, index: int) -> str:
        """Return the item of an index.

        Raises:
            IndexError: no item has it; 0 is nobody's.
        """
        if not 1 <= index <= len(self):
            raise IndexError(index)
        return self.ids[index - 1]

    def title(self, index: int) -> str:
        """Return the title of an item, else its id."""
        return self.titles.get(index) or self.item(index)

    def place(self, column: str, index: int) -> str | None:
        """Return the name that stands in a column of `PLACES`."""
        return self.names[column].name(int(getattr(self, column)[index]))

    def price_of(self, index: int) -> float | None:
        """Return the price of an item, None where it is not known."""
        price = float(self.price[index])
        return None if math.isnan(price) else price

    def is_promoted(self, now_ms: int) -> Bools:
        """Tell which items are in a promotion now: bool [N + 1]."""
        return self.promotion_until > now_ms

    def promotions_of(self, items: Ints, now_ms: int) -> Codes:
        """Return the number of the promotion that each of these items is in now, 0 for none."""
        return np.where(self.promotion_until[items] > now_ms, self.promotion[items], np.int32(0))

    def promotion_of(self, index: int, now_ms: int) -> str | None:
        """Return the promotion that an item is in now."""
        return self.names["promotion"].name(int(self.promotions_of(np.array([index]), now_ms)[0]))


Change = tuple[str, Item | None]


class Shelves:
    """Takes changes of the catalogue in and gives snapshots. For one thread."""

    def __init__(self, vocabulary: Vocabulary, *, unnamed_is_sold: bool = True) -> None:
        """Begin with the model's items.

        Args:
            vocabulary: the model's items and their categories.
            unnamed_is_sold: whether an item that the catalogue has never named may be listed.
        """
        self._ids = list(vocabulary.items)
        self._index_of = dict(vocabulary.index_of)
        self._arrived: dict[str, int] = {}
        self._names = {name: Names() for name in (*PLACES, "promotion")} | {"category": Names(vocabulary.categories)}
        self._titles: dict[int, str] = {}
        self._columns: dict[str, NDArray[Any]] = {
            name: np.zeros(len(self._ids) + 1, kind) for name, kind in COLUMNS.items()
        }
        self._columns["in_stock"][1:] = unnamed_is_sold
        self._columns["price"][:] = np.nan
        self._columns["category"][:] = vocabulary.item_category
        self.current = self._snapshot({}, 1, 1)

    def take(self, changes: Iterable[Change]) -> Ints:
        """Take changes in, make `current` a new snapshot if anything differs, and return the items that were named, sorted.

        An item that is gone keeps its columns, which say what it was like; it is in stock no more, and in no promotion.
        """
        gone, stated = self._sorted_out(changes)
        self._grow()
        changed = self._put(np.array(gone, np.int64), dict.fromkeys(("in_stock", "promotion", "promotion_until"), 0))
        rows = [self._row(said) for said in stated.values()]
        columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {}
        changed |= self._put(np.array(list(stated), np.int64), columns)
        titles = {index: said.title for index, said in stated.items() if said.title}
        is_described = bool(changed & {*PLACES}) or not titles.items() <= self._titles.items()
        self._titles.update(titles)
        if changed or is_described or self._arrived:
            self._renew(changed, is_described=is_described)
        # Now that a snapshot has them: who looks an index up first and the newest snapshot then, finds it there.
        self._index_of.update(self._arrived)
        self._arrived = {}
        return np.array(sorted([*gone, *stated]), np.int64)

    def _sorted_out(self, changes: Iterable[Change]) -> tuple[list[int], dict[int, Item]]:
        """Return the items that are gone, and the newest that was said of the others, by index."""
        gone: dict[int, None] = {}
        stated: dict[int, Item] = {}
        for item, said in changes:
            if said is not None:
                index = self._index(item)
                stated[index] = said
                gone.pop(index, None)
            elif (known := self._index_of.get(item) or self._arrived.get(item)) and known in stated:
                stated[known] = stated[known]._replace(in_stock=False, promotion=None)
            elif known:
                gone[known] = None
        return list(gone), stated

    def _index(self, item: str) -> int:
        index = self._index_of.get(item) or self._arrived.get(item)
        if index is None:
            self._ids.append(item)
            index = self._arrived[item] = len(self._ids)
        return index

    def _grow(self) -> None:
        more = len(self._ids) + 1 - len(self._columns["in_stock"])
        if more:
            self._columns = {name: np.pad(column, (0, more)) for name, column in self._columns.items()}

    def _row(self, said: Item) -> tuple[Any, ...]:
        promotion = self._names["promotion"].code(said.promotion)
        until = (NEVER if said.promotion_until is None else said.promotion_until) if promotion else 0
        price = np.nan if said.price is None else said.price
        places = (self._names[name].code(getattr(said, name)) for name in PLACES)
        return (said.in_stock, price, promotion, until, said.available_since or 0, *places)

    def _put(self, rows: Ints, values: Mapping[str, Any]) -> set[str]:
        """Set columns of some rows, and return which of them that has changed."""
        changed = set()
        for name, those in values.items():
            column = self._columns[name]
            new = np.broadcast_to(np.asarray(those, column.dtype), rows.shape)
            old = column[rows]
            if not np.array_equal(old, new, equal_nan=name == "price"):
                column[rows] = new
                changed.add(name)
        return changed

    def _renew(self, changed: set[str], *, is_described: bool) -> None:
        old = self.current
        has_grown = len(old.in_stock) < len(self._columns["in_stock"])
        kept = {} if has_grown else {name: getattr(old, name) for name in COLUMNS if name not in changed}
        generation = old.generation + 1
        self.current = self._snapshot(kept, generation, generation if is_described else old.described)

    def _snapshot(self, kept: Mapping[str, Any], generation: int, described: int) -> Assortment:
        columns = {name: kept[name] if name in kept else column.copy() for name, column in self._columns.items()}
        for column in columns.values():
            column.flags.writeable = False
        return Assortment(
            **columns,
            names=self._names,
            titles=self._titles,
            ids=self._ids,
            index_of=self._index_of,
            generation=generation,
            described=described,
        )


class Difference(NamedTuple):
    """What has become of an item that lists may hold.

    Attributes:
        item: its index.
        kind: `out` (of stock, or of the catalogue), `promotion` (is over, or is another) or `price`.
        promotion: of `promotion`, the name of the one that it was in.
    """

    item: int
    kind: str
    promotion: str | None = None


def differences(
    before: Assortment, after: Assortment, items: Ints, since_ms: int, now_ms: int, price_share: float
) -> list[Difference]:
    """Return what has become of items that were known before, those out of stock first.

    Args:
        before: the snapshot as it stood at `since_ms`.
        after: the one that stands at `now_ms`; a promotion that ended between the two is over.
        items: int64 [n], those that were named since.
        since_ms: when the last differences were taken.
        now_ms: the time.
        price_share: how far a price must have moved, as a share of what it was.
    """
    known = items[items <= len(before)]
    out = known[before.in_stock[known] & ~after.in_stock[known]]
    sold = known[after.in_stock[known]]
    over = np.union1d(sold, _ended(after, since_ms, now_ms)).astype(np.int64)
    was = [before.promotion_of(index, since_ms) if index <= len(before) else None for index in over.tolist()]
    moved = sold[_has_moved(before.price[sold], after.price[sold], price_share)]
    return [
        *(Difference(index, "out") for index in out.tolist()),
        *(
            Difference(index, "promotion", name)
            for index, name in zip(over.tolist(), was, strict=True)
            if name and name != after.promotion_of(index, now_ms)
        ),
        *(Difference(index, "price") for index in moved.tolist()),
    ]


def standing_differences(after: Assortment, now_ms: int) -> list[Difference]:
    """Return what lists of earlier days may still hold, where nothing is known of what was before: see `differences`."""
    out = np.flatnonzero(~after.in_stock[1:]) + 1
    over = _ended(after, 0, now_ms).tolist()
    return [
        *(Difference(index, "out") for index in out.tolist()),
        *(Difference(index, "promotion", after.names["promotion"].name(int(after.promotion[index]))) for index in over),
    ]


def _ended(after: Assortment, since_ms: int, now_ms: int) -> Ints:
    """Return the items whose promotion was over at some time after `since_ms` and is now."""
    return np.flatnonzero((after.promotion_until > since_ms) & (after.promotion_until <= now_ms) & after.in_stock)


def _has_moved(before: NDArray[np.float64], after: NDArray[np.float64], share: float) -> Bools:
    became_known = np.isnan(before) != np.isnan(after)
    return np.asarray(became_known | (np.abs(after - before) > share * np.abs(before)))
