"""Keeps the assortment of a worker current from the `catalog` topic, in a thread, and tells what has become of items."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from freshet.models.assortment import Assortment, Change, Difference, Shelves, differences, standing_differences
from freshet.models.vocabulary import Vocabulary

log = logging.getLogger(__name__)

FAILURE_PAUSE_S = 1.0
CHECK_EVERY_S = 1.0
PRICE_SHARE = 0.01


class CatalogueReader(Protocol):
    """What the feed needs of the topic; `TopicReader` of `catalogue_topic.py` is one."""

    def up_to_now(self) -> Iterator[list[Change]]:
        """Yield changes up to the end of the topic as it stands now."""

    def newer(self) -> list[Change]:
        """Wait a little for changes and return them."""

    def ends(self) -> Any:
        """Ask the broker where the topic ends now."""

    def has_read_to(self, ends: Any, /) -> bool:
        """Tell whether all that lies before these ends was read."""

    def close(self) -> None:
        """Close the connections."""


Heard = Callable[[Assortment, Sequence[Difference]], None]


class AssortmentFeed:
    """Follows the catalogue in a daemon thread; a snapshot is replaced as a whole, never changed in place.

    Before the topic was read, and while no broker answers, `current` is the last that was known: at first the model's
    items, all of them in stock.
    """

    def __init__(
        self,
        open_reader: Callable[[], CatalogueReader],
        vocabulary: Vocabulary,
        heard: Heard = lambda assortment, differences: None,
        *,
        unnamed_is_sold: bool = True,
        price_share: float = PRICE_SHARE,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Take what there is to follow.

        Args:
            open_reader: connects, and reads from the topic's beginning.
            vocabulary: the model's items.
            heard: called in the feed's thread with each new snapshot and what has become of items; it must not wait.
            unnamed_is_sold: whether an item that the catalogue has never named may be listed.
            price_share: how far a price must have moved to be told, as a share of what it was.
            now_s: the clock.
        """
        self._open_reader = open_reader
        self._new_shelves: Callable[[], Shelves] = lambda: Shelves(vocabulary, unnamed_is_sold=unnamed_is_sold)
        self._heard = heard
        self._price_share = price_share
        self._now_s = now_s
        self._loaded = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="assortment", daemon=True)
        self._complete_at_s = self._changed_at_s = self._asked_at_s = float("-inf")
        self._ends: Any = None
        self._shelves = self._new_shelves()

    @property
    def current(self) -> Assortment:
        """The newest snapshot."""
        return self._shelves.current

    @property
    def age_s(self) -> float:
        """Seconds since the snapshot held all that the broker had; infinite before it was read."""
        return self._now_s() - self._complete_at_s

    @property
    def unchanged_s(self) -> float:
        """Seconds since the last change; infinite before it was read."""
        return self._now_s() - self._changed_at_s

    def start(self, wait_s: float) -> bool:
        """Begin to follow, and tell whether the whole topic was read in so many seconds; if not, it goes on."""
        self._thread.start()
        if not self._loaded.wait(wait_s):
            log.warning("The catalogue was not read in %s s: until it is, everything counts as in stock.", wait_s)
        return self._loaded.is_set()

    def stop(self) -> None:
        """End after the poll that is under way, and close the reader."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                reader = self._open_reader()
            except Exception as error:  # noqa: BLE001 - whatever it is, lists go on with what is known
                log.warning("The catalogue cannot be reached (%s); trying again in %s s.", error, FAILURE_PAUSE_S)
            else:
                self._load_and_follow(reader)
            self._is_over.wait(FAILURE_PAUSE_S)

    def _load_and_follow(self, reader: CatalogueReader) -> None:
        """Load the topic and follow it to the end; if the load fails it returns, since a reader mends itself only later."""
        shelves = self._new_shelves()
        try:
            for changes in reader.up_to_now():
                shelves.take(changes)
        except Exception:
            log.exception("The catalogue could not be read to its end; beginning again.")
            reader.close()
            return
        since_ms = self._show(shelves, standing_differences(shelves.current, self._now_ms()))
        log.info(
            "The assortment has %d items, %d in stock.", len(self.current), np.count_nonzero(self.current.in_stock)
        )
        self._loaded.set()
        while not self._is_over.is_set():
            try:
                changes = reader.newer()
            except Exception as error:  # noqa: BLE001 - as above
                log.warning("The catalogue could not be read (%s); trying again in %s s.", error, FAILURE_PAUSE_S)
                self._is_over.wait(FAILURE_PAUSE_S)
                continue
            since_ms = self._take(shelves, changes, since_ms)
            self._check(reader)
        reader.close()

    def _check(self, reader: CatalogueReader) -> None:
        """Learn, once a second, up to when all was read: where the topic ended then, and whether that was reached."""
        try:
            if self._ends is not None and reader.has_read_to(self._ends):
                self._complete_at_s, self._ends = self._asked_at_s, None
            if self._ends is None and self._now_s() - self._asked_at_s >= CHECK_EVERY_S:
                self._asked_at_s, self._ends = self._now_s(), reader.ends()
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("The broker does not say where the catalogue ends (%s).", error)

    def _take(self, shelves: Shelves, changes: Sequence[Change], since_ms: int) -> int:
        """Take changes in, tell what has become of items since a time, and return until when it was told."""
        before, now_ms = shelves.current, self._now_ms()
        named = shelves.take(changes)
        found = differences(before, shelves.current, named, since_ms, now_ms, self._price_share)
        if found or shelves.current is not before:
            self._show(shelves, found)
        return now_ms

    def _show(self, shelves: Shelves, found: Sequence[Difference]) -> int:
        self._shelves = shelves
        self._changed_at_s = self._now_s()
        if not self._loaded.is_set():
            self._complete_at_s = self._changed_at_s
        try:
            self._heard(self.current, found)
        except Exception:
            log.exception("A change of the catalogue was not passed on; lists may hold what is not sold.")
        return int(self._changed_at_s * 1000)

    def _now_ms(self) -> int:
        return int(self._now_s() * 1000)
