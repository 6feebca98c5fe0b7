"""Takes what is not sold any more out of the lists that stand, and states changed prices in them.

An item that went out of stock is replaced by the like item in stock that is nearest to it, in every list that holds it.
Lists that are being written meanwhile are caught by further sweeps in the next seconds. Every worker sweeps; they share the
work, since each takes lists at random and takes those that are done out of the index.
"""

import heapq
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import orjson

from freshet.models.assortment import Assortment, Bools, Difference
from freshet.models.likeness import Likeness
from freshet.udfs.holders import PAGE, Holders, IndexedListWriter, Member
from freshet.udfs.redis_pipe import RedisPipe, Script
from freshet.udfs.top_n import Because, ListedItem

log = logging.getLogger(__name__)

SOURCE = "substitute"
"""The source of an item that took the place of another."""

SUBSTITUTES = 5
"""So many like items are offered to each list, which takes the first that it does not hold."""

SWEEPS_S = (0.0, 0.25, 0.5, 0.75, 2.0, 5.0)
"""When lists are swept, in seconds after the change was heard of. The first finds nearly all."""

BEFORE_S = 10.0
"""Lists that this worker wrote so long before it heard of a change are looked at whether they are in the sets or not.

Another worker may have heard earlier, and emptied the sets while this one went on listing the item."""

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
    """A difference to sweep lists for, ordered by when.

    Attributes:
        due_s: when, by the monotonic clock.
        difference: what has become of an item.
        heard_s: when that was heard.
        since_s: of the lists that this worker has written, those since then are looked at, by the time of day.
        sweeps: the later instants, seconds after it was heard.
    """

    due_s: float
    difference: Difference = field(compare=False)
    heard_s: float = field(compare=False)
    since_s: float = field(compare=False)
    sweeps: tuple[float, ...] = field(compare=False)

    def next(self) -> "Task":
        """Return the task of the next sweep."""
        at, *later = self.sweeps
        return replace(self, due_s=self.heard_s + at, sweeps=tuple(later))


class StockWatch:
    """Sweeps lists for what the assortment's feed tells, in a daemon thread."""

    def __init__(
        self,
        pipe: RedisPipe,
        holders: Holders,
        writer: IndexedListWriter,
        placements: Sequence[str],
        assortment: Callable[[], Assortment],
        likeness: Callable[[], Likeness],
        *,
        eligible: Callable[[Assortment], Bools] = lambda assortment: assortment.in_stock,
        behind_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Take where lists are and what may stand in for what.

        Args:
            pipe: a connection of the watch's own.
            holders: reads which lists hold an item, over the same connection.
            writer: writes the lists of this process.
            placements: names of the places whose lists are watched.
            assortment: gives the newest snapshot.
            likeness: gives the newest description of items.
            eligible: bool [N + 1], which items may be put into a list.
            behind_s: how much later than others this worker may hear of a change: the age of its assortment, in seconds.
        """
        self._pipe = pipe
        self._holders = holders
        self._placements = placements
        self._assortment = assortment
        self._likeness = likeness
        self._eligible = eligible
        self._writer = writer
        self._behind_s = behind_s
        self._urgent: list[Task] = []
        self._other: list[Task] = []
        self._news = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="stock-watch", daemon=True)
        self._unsure: list[tuple[Edit, Sequence[Member]]] = []
        self.figures = Figures()

    def hear(self, assortment: Assortment, differences: Sequence[Difference]) -> None:
        """Take note of what lists have to be swept for; the `heard` of an `AssortmentFeed`."""
        now_s, since_s = time.monotonic(), time.time() - BEFORE_S - self._behind_s()
        self._writer.restate([assortment.item(one.item) for one in differences if one.kind == "out"])
        with self._news:
            for one in differences:
                queue = self._other if one.kind == "price" else self._urgent
                heapq.heappush(queue, Task(now_s, one, now_s, since_s, SWEEPS_S[1:]))
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
                self._put_back([task.next() for task in tasks if task.sweeps and self._stands(task.difference)])
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
            return not assortment.in_stock[difference.item]
        if difference.kind == "promotion":
            return assortment.promotion_of(difference.item, time.time_ns() // 1_000_000) != difference.promotion
        return True

    def sweep(self, tasks: Sequence[Task]) -> None:
        """Edit the lists that stand for what each task says, if it still is so.

        Raises:
            redis.RedisError: some may not be edited; the same tasks can be given again.
        """
        self._name_unsure()
        assortment = self._assortment()
        standing = [task for task in tasks if self._stands(task.difference)]
        items = [assortment.item(task.difference.item) for task in standing]

        @cache
        def edit(at: int) -> Edit:
            return self._edit(assortment, standing[at].difference, items[at])

        for placement in self._placements:
            for at, is_held in enumerate(self._holders.held(placement, items)):
                if is_held:
                    self._sweep(placement, standing[at], items[at], edit(at))
        out = {item: at for at, item in enumerate(items) if standing[at].difference.kind == "out"}
        since_s = min((standing[at].since_s for at in out.values()), default=0.0)
        for item, own in self._writer.holding(out.keys(), since_s).items():
            for start in range(0, len(own), PAGE):
                some = own[start : start + PAGE]
                self._apply(standing[out[item]], edit(out[item]), [one.member for one in some])
                self._writer.let_go(item, some)

    def _edit(self, assortment: Assortment, difference: Difference, item: str) -> Edit:
        begins = place_begins(item)
        if difference.kind == "price":
            price = orjson.dumps(assortment.price_of(difference.item))
            return Edit(RESTATE, (begins, b"", b"", b"price", price))
        guard = (b"promotion", orjson.dumps(difference.promotion)) if difference.kind == "promotion" else (b"", b"")
        now = assortment.promotion_of(difference.item, time.time_ns() // 1_000_000)
        if difference.kind == "promotion" and now and assortment.in_stock[difference.item]:
            return Edit(RESTATE, (begins, *guard, b"promotion", orjson.dumps(now)))
        others = self._substitutes(assortment, difference)
        pairs = (piece for one in others for piece in (place_begins(one.item_id), place_goes_on(one)))
        return Edit(REPLACE, (begins, *guard, *pairs), tuple(one.item_id for one in others))

    def _substitutes(self, assortment: Assortment, difference: Difference) -> list[ListedItem]:
        gone, now_ms = difference.item, time.time_ns() // 1_000_000
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
        if task.difference.kind != "out":
            for page in self._holders.pages(placement, item):
                self._apply(task, edit, page)
            return
        while self._stands(task.difference) and (some := self._holders.some(placement, item)):
            self._apply(task, edit, some)
            self._holders.remove(item, some)

    def _apply(self, task: Task, edit: Edit, members: Sequence[Member]) -> None:
        if members:
            self._unsure.append((edit, members))
            answers = self._pipe.run_for_each(edit.script, [one.key.encode() for one in members], edit.arguments)
            if any(answers):
                self._note(task, edit, answers)
                for number, item in enumerate(edit.substitutes, start=1):
                    taken = (one for one, answer in zip(members, answers, strict=True) if answer == number)
                    self._holders.add(item, taken)
            self._unsure.pop()

    def _name_unsure(self) -> None:
        """Name lists for every substitute that may be in them, where a sweep failed before it knew which."""
        while self._unsure:
            edit, members = self._unsure[-1]
            for item in edit.substitutes:
                self._holders.add(item, members)
            self._unsure.pop()

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
