"""The items that a model knows, numbered from 1, and the category of each."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNKNOWN = 0
"""The index of padding, of items that the model does not know, and of a category that is not known."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Item ids by index and back.

    Attributes:
        items: ids; `items[0]` has index 1. The most bought in training comes first.
        categories: names; `categories[0]` has index 1.
        item_category: int32 [V + 1], the category index of each item index.
    """

    items: tuple[str, ...]
    categories: tuple[str, ...]
    item_category: NDArray[np.int32]

    def __len__(self) -> int:
        """Return how many items are known."""
        return len(self.items)

    @cached_property
    def index_of(self) -> dict[str, int]:
        """The index of each item id."""
        return {item: index for index, item in enumerate(self.items, start=1)}

    @cached_property
    def category_index_of(self) -> dict[str, int]:
        """The index of each category name."""
        return {name: index for index, name in enumerate(self.categories, start=1)}

    def indices(self, items: Iterable[str | None]) -> NDArray[np.int64]:
        """Return the index of each item id, int64 [n]; 0 for those that are not known."""
        index_of = self.index_of
        return np.array([index_of.get(item, UNKNOWN) if item else UNKNOWN for item in items], np.int64)

    def item(self, index: int) -> str:
        """Return the item id of an index.

        Raises:
            IndexError: no item has it; 0 is nobody's.
        """
        if index < 1:
            raise IndexError(index)
        return self.items[index - 1]

    def category(self, index: int) -> str | None:
        """Return the category name of an item index, None where it has none."""
        position = int(self.item_category[index])
        return self.categories[position - 1] if position else None

    def write(self, path: Path) -> None:
        """Write the vocabulary as JSON: `items`, `categories`, and the category index of each item."""
        value = {
            "items": self.items,
            "categories": self.categories,
            "item_category": self.item_category[1:].tolist(),
        }
        path.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read a vocabulary back.

        Raises:
            ValueError: the file is not what `write` writes.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            items, categories = tuple(value["items"]), tuple(value["categories"])
            item_category = np.array([UNKNOWN, *value["item_category"]], np.int32)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path.name} is not a vocabulary: {error}") from None
        known = (item_category >= 0) & (item_category <= len(categories))
        if len(item_category) != len(items) + 1 or not known.all():
            raise ValueError(f"{path.name} has {len(items)} items but other categories for them")
        return cls(items, categories, item_category)
