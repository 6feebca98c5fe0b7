"""The catalogue as each worker holds it: the place of every item in the category tree, kept current by a thread."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands in the category tree; None where the catalogue does not say."""

    department: str | None = None
    category: str | None = None
    product_type: str | None = None
    brand: str | None = None


NOWHERE = Place()

Change = tuple[str, Place | None]
Poll = Callable[[], Iterable[Change]]


class Catalogue:
    """A dictionary of places that follows the compacted `catalog` topic.

    `changes` yields batches: an item and its new place, or None when the item is gone.
    """

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def place_of(self, item_id: str | None) -> Place:
        """Return the item's place; `NOWHERE` for an item that is not known."""
        return self._places.get(item_id, NOWHERE) if item_id else NOWHERE

    def apply(self, changes: Iterable[Change]) -> None:
        """Take over what is new."""
        for item_id, place in changes:
            if place is None:
                self._places.pop(item_id, None)
            else:
                self._places[item_id] = place

    def follow(self, poll: Poll, pause_s: float) -> threading.Thread:
        """Keep calling `poll`, which waits for news itself, in a daemon thread; one that fails is called after a pause."""
        thread = threading.Thread(target=self._follow, args=(poll, pause_s), name="catalogue", daemon=True)
        thread.start()
        return thread

    def _follow(self, poll: Poll, pause_s: float) -> None:
        while True:
            try:
                self.apply(poll())
            except Exception:
                log.exception("The catalogue could not be read; trying again in %s s.", pause_s)
                time.sleep(pause_s)
