"""Takes what is not sold any more out of the lists that stand, and states changed prices in them.

An item that went out of stock is replaced by the like item in stock that is nearest to it, in every list that holds it.
Lists that a worker makes meanwhile, who has not heard of it yet, are caught by further sweeps in the next seconds. Every
worker may do all of it, since an edit finds nothing to do where another has done it; or each its share of the users.
"""

import heapq
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import NamedTuple
from zlib import crc32

import orjson

from freshet.models.assortment import Assortment, Bools, Difference
from freshet.models.likeness import Likeness
from freshet.udfs.holders import Holders, Member
from freshet.udfs.redis_pipe import RedisPipe, Script
from freshet.udfs.top_n import Because, ListedItem

log = logging.getLogger(__name__)

SOURCE = "substitute"
"""The source of an item that took the place of another."""

SUBSTITUTES = 5
"""So many like items are offered to each list, which takes the first that it does not hold."""

SWEEPS_S = (0.0, 0.25, 0.5, 0.75, 2.0, 5.0)
"""When lists are swept, in seconds after the change was heard of. After the last nobody lists the item any more."""

FIRST_RETRY_S = 0.05
LAST_RETRY_S = 2.0

OVER = {"out": "is out of stock", "promotion": "is not on offer any more"}


def _script(name: str) -> Script:
    folder = files("freshet.udfs")
    return Script(folder.joinpath("place.lua").read_text("utf-8") + folder.joinpath(f"{name}.lua").read_text("utf-8"))


REPLACE, RESTATE = _script("replace_item"), _script("restate_item")


class Edit(NamedTuple):
    """What is done to each list that holds an item.

    Attributes:
        script: `REPLACE` or `RESTATE`.
        arguments: of the script.
        substitutes: the items that may take its place, in order.
    """

    script: Script
    arguments: tuple[bytes, ...]
    substitutes: tuple[str, ...] = ()


@dataclass
class Figures:
    """What a watch has done.

    Attributes:
        replaced: places of lists that another item took.
        dropped: places that went, since the list held all like items; a list of nothing else went with it.
        restated: places whose price or promotion was set anew.
        last_s: seconds from hearing of a change to the end of the last sweep that found a list to edit.
        worst_s: the longest of these.
        backlog: changes that lists are to be swept for.
    """

    replaced: int = 0
    dropped: int = 0
    restated: int = 0
    last_s: float = 0.0
    worst_s: float = 0.0
    backlog: int = 0


@dataclass(order=True)
class Task:
    """A difference to sweep lists for, ordered by when; `sweeps` are the later instants, seconds after it was heard."""

    due_s: float
    difference: Difference = field(compare=False)
    heard_s: float = field(compare=False)
    sweeps: tuple[float, ...] = field(compare=False)

    @property
    def is_last(self) -> bool:
        """Whether no sweep follows."""
        return not self.sweeps

    def next(self) -> "Task":
        """Return the task of the next sweep."""
        at, *later = self.sweeps
        return Task(self.heard_s + at, self.difference, self.heard_s, tuple(later))


class StockWatch:
    """Sweeps lists for what the assortment's feed tells, in a daemon thread."""

    def __init__(
        self,
        pipe: RedisPipe,
        holders: Holders,
        placements: Sequence[str],
        assortment: Callable[[], Assortment],
        likeness: Callable[[], Likeness],
        *,
        eligible: Callable[[Assortment], Bools] = lambda assortment: assortment.in_stock,
        heard_of: Callable[[Iterable[str]], None] = lambda items: None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """Take where lists are and what may stand in for what.

        Args:
            pipe: a connection of the watch's own.
            holders: reads which lists hold an item, over the same connection.
            placements: names of the places whose lists are watched.
            assortment: gives the newest snapshot.
            likeness: gives the newest description of items.
            eligible: bool [N + 1], which items may be put into a list.
            heard_of: `IndexedListWriter.restate` of the writer in this process.
            share: (number, of how many) of the users whose lists this watch edits; all of them if it is (0, 1).
        """
        self._pipe = pipe
        self._holders = holders
        self._placements = placements
        self._assortment = assortment
        self._likeness = likeness
        self._eligible = eligible
        self._heard_of = heard_of
        self._share = share
        self._urgent: list[Task] = []
        self._other: list[Task] = []
        self._news = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="stock-watch", daemon=True)
        self.figures = Figures()

    def hear(self, assortment: Assortment, differences: Sequence[Difference]) -> None:
        """Take note of what lists have to be swept for; the `heard` of an `AssortmentFeed`."""
        now_s = time.monotonic()
        self._heard_of([assortment.item(one.index) for one in differences if one.kind == "out"])
        with self._news:
            for one in differences:
                queue = self._other if one.kind == "price" else self._urgent
                heapq.heappush(queue, Task(now_s, one, now_s, SWEEPS_S[1:]))
            self._news.notify()

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """End after the sweep that is under way, and close the connection."""
        with self._news:
            self._is_over = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._pipe.close()

    def _run(self) -> None:
        pause_s = FIRST_RETRY_S
        while tasks := self._due():
            try:
                self.sweep(tasks)
            except Exception:
                log.exception("Lists could not be swept; trying again in %s s.", pause_s)
                time.sleep(pause_s)
                self._put_back(tasks)
                pause_s = min(2 * pause_s, LAST_RETRY_S)
            else:
                self._put_back([task.next() for task in tasks if not task.is_last and self._stands(task.difference)])
                pause_s = FIRST_RETRY_S

    def _due(self) -> list[Task]:
        """Wait for what is due and return it: all that is urgent, else one other; nothing when the watch was stopped."""
        with self._news:
            while not self._is_over:
                now_s = time.monotonic()
                due = [heapq.heappop(self._urgent) for _ in range(len(self._urgent)) if self._urgent[0].due_s <= now_s]
                if not due and self._other and self._other[0].due_s <= now_s:
                    due = [heapq.heappop(self._other)]
                self.figures.backlog = len(due) + len(self._urgent) + len(self._other)
                if due:
                    return due
                next_s = min((queue[0].due_s for queue in (self._urgent, self._other) if queue), default=None)
                self._news.wait(None if next_s is None else next_s - now_s)
        return []

    def _put_back(self, tasks: Iterable[Task]) -> None:
        with self._news:
            for task in tasks:
                heapq.heappush(self._other if task.difference.kind == "price" else self._urgent, task)

    def _stands(self, difference: Difference) -> bool:
        """Tell whether it is still so: an item may be back in stock, or in the promotion again."""
        assortment = self._assortment()
        if difference.kind == "out":
            return not assortment.in_stock[difference.index]
        if difference.kind == "promotion":
            return assortment.promotion_of(difference.index, time.time_ns() // 1_000_000) != difference.promotion
        return True

    def sweep(self, tasks: Sequence[Task]) -> None:
        """Edit the lists that stand for what each task says, if it still is so.

        Raises:
            redis.RedisError: some may not be edited; the same tasks can be given again.
        """
        assortment = self._assortment()
        standing = [task for task in tasks if self._stands(task.difference)]
        items = [assortment.item(task.difference.index) for task in standing]
        for placement in self._placements:
            held = self._holders.held(placement, items)
            for task, item, is_held in zip(standing, items, held, strict=True):
                if is_held:
                    self._sweep(placement, task, item, self._edit(assortment, task.difference, item))

    def _edit(self, assortment: Assortment, difference: Difference, item: str) -> Edit:
        begins = place_begins(item)
        if difference.kind == "price":
            price = orjson.dumps(assortment.price_of(difference.index))
            return Edit(RESTATE, (begins, b"", b"", b"price", price))
        guard = (b"promotion", orjson.dumps(difference.promotion)) if difference.kind == "promotion" else (b"", b"")
        now = assortment.promotion_of(difference.index, time.time_ns() // 1_000_000)
        if difference.kind == "promotion" and now and assortment.in_stock[difference.index]:
            return Edit(RESTATE, (begins, *guard, b"promotion", orjson.dumps(now)))
        others = self._substitutes(assortment, difference)
        pairs = (piece for one in others for piece in (place_begins(one.item_id), place_goes_on(one)))
        return Edit(REPLACE, (begins, *guard, *pairs), tuple(one.item_id for one in others))

    def _substitutes(self, assortment: Assortment, difference: Difference) -> list[ListedItem]:
        gone, now_ms = difference.index, time.time_ns() // 1_000_000
        found, likeness = self._likeness().nearest(gone, SUBSTITUTES, self._eligible(assortment))
        reason = f"instead of {assortment.title(gone)}, which {OVER[difference.kind]}"
        return [
            ListedItem(
                item_id=assortment.item(index),
                score=0.0,  # it takes that of the item whose place it gets
                source=SOURCE,
                reason=reason,
                evidence=Because("content", (assortment.item(gone),), "like", round(cosine, 5)),
                moves=(f"{SOURCE}: {OVER[difference.kind]}",),
                price=assortment.price_of(index),
                promotion=assortment.promotion_of(index, now_ms),
            )
            for index, cosine in zip(found.tolist(), likeness.tolist(), strict=True)
        ]

    def _sweep(self, placement: str, task: Task, item: str, edit: Edit) -> None:
        for page in self._holders.pages(placement, item):
            mine = [one for one in page if crc32(one.name.encode()) % self._share[1] == self._share[0]]
            keys = [one.key.encode() for one in mine]
            answers = self._pipe.run_for_each(edit.script, keys, edit.arguments) if keys else []
            if any(answers):
                self._note(task, edit, answers)
                self._name_substitutes(edit, mine, answers)
            if task.is_last and task.difference.kind == "out" and self._stands(task.difference):
                self._holders.remove(item, mine)

    def _name_substitutes(self, edit: Edit, members: Sequence[Member], answers: Sequence[int]) -> None:
        for number, item in enumerate(edit.substitutes, start=1):
            self._holders.add(item, [one for one, answer in zip(members, answers, strict=True) if answer == number])

    def _note(self, task: Task, edit: Edit, answers: Sequence[int]) -> None:
        placed = sum(answer > 0 for answer in answers)
        figures = self.figures
        if edit.script is REPLACE:
            figures.replaced += placed
        else:
            figures.restated += placed
        figures.dropped += sum(answer < 0 for answer in answers)
        figures.last_s = time.monotonic() - task.heard_s
        figures.worst_s = max(figures.worst_s, figures.last_s)


def place_begins(item: str) -> bytes:
    """Return the bytes that the place of an item begins with in a stored list, and nothing else there.

    >>> place_begins('a "b"')
    b'{"item_id":"a \\\\"b\\\\"",'
    """
    return orjson.dumps({"item_id": item})[:-1] + b","


def place_goes_on(listed: ListedItem) -> bytes:
    """Return the bytes of a place behind its score."""
    rest = {name: value for name, value in listed.record().items() if name not in ("item_id", "score")}
    return b"," + orjson.dumps(rest)[1:]
