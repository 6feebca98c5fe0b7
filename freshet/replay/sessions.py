"""Synthetic browsing over the real catalogue, by users who behave as their real purchases suggest.

Purchases are all that the real data holds; a shop's front end also sends searches, clicks, views and carts. This makes
such sessions from a seed: the same seed gives the same events. Every one is marked: ids begin with `synthetic-`, and
the context says `source=synthetic`.
"""

import heapq
import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from freshet.replay.tastes import Tastes
from freshet.schemas.avro import Record

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

# How people browse. Assumptions, not measurements: the order of magnitude of published shop statistics.
SESSIONS_A_DAY = 0.5  # of one user
MEDIAN_LOOKS, SPREAD_OF_LOOKS, MOST_LOOKS = 4.0, 0.9, 60  # items looked at: log-normal, cut off
MEDIAN_DWELL_S, SPREAD_OF_DWELL = 12.0, 0.8  # on an item's page: log-normal
SEARCHES = 0.35  # a category is found by searching, else by opening its page
EXPLORES = 0.1  # it is one that anybody might visit, else one that the household buys from
SWITCHES = 0.15  # before a look: to another category
FOLLOWS = 0.4  # the next item is one that followed this one in somebody's purchases
RETURNS = 0.35  # it is one that the household has bought, else a popular one
ADDS_FAMILIAR, ADDS_NEW = 0.22, 0.06  # an item goes into the cart
REMOVES = 0.12  # and out again
CHECKS_OUT = 0.55  # a cart is paid for


class Step(NamedTuple):
    """One thing that a visitor does."""

    at_ms: int
    event_type: str
    item: int | None
    value: float | None
    context: dict[str, str]


class Visit:
    """One session: where the visitor is, what lies in the cart, what time it is."""

    def __init__(self, tastes: Tastes, household: int, at_ms: int, rng: random.Random) -> None:
        self._tastes, self._household, self._rng = tastes, household, rng
        self._at_ms = at_ms
        self._category = 0
        self._item: int | None = None
        self._cart: list[int] = []

    def steps(self) -> Iterator[Step]:
        """Yield what the visitor does, from the first page to the checkout."""
        yield self._enter_a_category()
        for _ in range(self._looks()):
            if self._rng.random() < SWITCHES:
                yield self._enter_a_category()
            yield from self._look_at_an_item()
        yield from self._leave()

    def _looks(self) -> int:
        return min(MOST_LOOKS, 1 + int(MEDIAN_LOOKS * self._rng.lognormvariate(0, SPREAD_OF_LOOKS)))

    def _enter_a_category(self) -> Step:
        rng, tastes = self._rng, self._tastes
        explores = rng.random() < EXPLORES
        drawn = tastes.anyones_category.draw(0, rng) if explores else tastes.category.draw(self._household, rng)
        self._category, self._item = drawn or 0, None
        name = tastes.categories[self._category]
        if rng.random() < SEARCHES:
            return self._step("search", context={"page": "search", "query": name.lower()})
        return self._step("category_view", context={"page": "category", "category": name})

    def _look_at_an_item(self) -> Iterator[Step]:
        item, familiar = self._next_item()
        self._item = item
        dwell = MEDIAN_DWELL_S * self._rng.lognormvariate(0, SPREAD_OF_DWELL)
        yield self._step("click", item, context={"page": "list"})
        yield self._step("view", item, round(dwell, 1), {"page": "item"}, pause_s=dwell)
        if self._rng.random() < (ADDS_FAMILIAR if familiar else ADDS_NEW):
            self._cart.append(item)
            yield self._step("add_to_cart", item, context={"page": "item"})

    def _next_item(self) -> tuple[int, bool]:
        """Choose an item of this category and tell whether the household is known to buy it."""
        rng, tastes = self._rng, self._tastes
        if self._item is not None and rng.random() < FOLLOWS:
            following = tastes.following.draw(self._item, rng)
            if following is not None:
                return following, False
        if rng.random() < RETURNS:
            own = tastes.own_item(self._household, self._category, rng)
            if own is not None:
                return own, True
        return tastes.popular.draw(self._category, rng) or 0, False

    def _leave(self) -> Iterator[Step]:
        for item in [item for item in self._cart if self._rng.random() < REMOVES]:
            self._cart.remove(item)
            yield self._step("remove_from_cart", item, context={"page": "cart"})
        if self._rng.random() < CHECKS_OUT:
            for item in self._cart:
                yield self._step("purchase", item, self._tastes.prices[item], {"page": "checkout", "quantity": "1"})

    def _step(
        self,
        event_type: str,
        item: int | None = None,
        value: float | None = None,
        context: dict[str, str] = {},  # noqa: B006  never changed
        pause_s: float = 1.5,
    ) -> Step:
        step = Step(self._at_ms, event_type, item, value, context)
        self._at_ms += 200 + int(1000 * pause_s * (0.5 + self._rng.random()))
        return step


@dataclass(frozen=True)
class Sessions:
    """An endless stream of sessions from `start_ms` on, the same for the same four arguments.

    The first `len(tastes.households)` users are the households under their own ids; further ones are their twins, such
    as `900-2`. A user has one session at a time.
    """

    tastes: Tastes
    users: int
    start_ms: int
    seed: int = 0

    @property
    def name(self) -> str:
        """What all ids of this stream begin with."""
        return f"synthetic-{self.seed}-{self.users}-{self.start_ms // 1000}"

    def events(self) -> Iterator[Record]:
        """Yield records of `interactions` in event-time order, without end."""
        for number, record in enumerate(self._in_time_order()):
            record["event_id"] = f"{self.name}-{number}"
            yield record

    def _in_time_order(self) -> Iterator[Record]:
        """Merge the sessions: what lies before the next session's start can no longer be overtaken."""
        ahead: list[tuple[int, int, int, Record]] = []
        for session, (at_ms, records) in enumerate(self._sessions()):
            while ahead and ahead[0][0] < at_ms:
                yield heapq.heappop(ahead)[-1]
            for step, record in enumerate(records):
                heapq.heappush(ahead, (record["event_time"], session, step, record))

    def _sessions(self) -> Iterator[tuple[int, list[Record]]]:
        """Yield each session's start and records, by start."""
        rng = random.Random(self.seed)
        shoppers = Shoppers(self.tastes, self.users, rng)
        busy_until: dict[int, int] = {}
        number = 0
        for at_ms in self._starts(rng):
            user = shoppers.draw(rng)
            if busy_until.get(user, 0) >= at_ms:
                continue
            visit = Visit(self.tastes, shoppers.household(user), at_ms, rng)
            session_id = f"{self.name}-s{number}"
            records = [self._record(step, shoppers.id_of(user), session_id) for step in visit.steps()]
            busy_until[user] = records[-1]["event_time"]
            number += 1
            yield at_ms, records

    def _starts(self, rng: random.Random) -> Iterator[int]:
        """Yield the times at which sessions begin: a Poisson process that follows the shop's hours."""
        a_ms = SESSIONS_A_DAY * self.users / DAY_MS
        at = float(self.start_ms)
        while True:
            hour = int(at // HOUR_MS) % 24
            at += rng.expovariate(a_ms * max(self.tastes.hours[hour], 0.01))
            yield int(at)

    def _record(self, step: Step, user_id: str, session_id: str) -> Record:
        context = {"source": "synthetic", "device_id": f"device-{user_id}", **step.context}
        return {
            "event_id": "",  # numbered when its place in time is known
            "user_id": user_id,
            "item_id": None if step.item is None else self.tastes.items[step.item],
            "event_type": step.event_type,
            "event_time": step.at_ms,
            "value": step.value,
            "session_id": session_id,
            "request_id": None,
            "context": context,
        }


class Shoppers:
    """The users of a stream: which household each one is, and how often each one comes."""

    def __init__(self, tastes: Tastes, users: int, rng: random.Random) -> None:
        households = list(range(len(tastes.households)))
        rng.shuffle(households)
        self._tastes, self._order = tastes, households
        self._visits = list(accumulate(tastes.baskets[self.household(user)] for user in range(users)))

    def draw(self, rng: random.Random) -> int:
        """Return a user, each as often as its household came to the shop."""
        return bisect(self._visits, rng.random() * self._visits[-1])

    def household(self, user: int) -> int:
        """Return the number of the user's household."""
        return self._order[user % len(self._order)]

    def id_of(self, user: int) -> str:
        """Return the user's id: the household's own, or that of a numbered twin."""
        twin, name = user // len(self._order), self._tastes.households[self.household(user)]
        return f"{name}-{twin + 1}" if twin else name


def next_midnight(event_times: Any) -> int:
    """Return the first midnight (UTC) after the newest of the times: there synthetic sessions follow the real data."""
    return (int(event_times.max()) // DAY_MS + 1) * DAY_MS
