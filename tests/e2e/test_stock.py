"""From a record of `catalog` to lists without the item: real servers, and two workers that go on writing lists."""

import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import redis

from e2e.running import until
from freshet.models.live_assortment import LiveAssortment, follow_assortment
from freshet.models.vocabulary import Vocabulary
from freshet.replay.produce import EventProducer, produce
from freshet.schemas.keys import Hot, TopN
from freshet.schemas.topics import CATALOG
from freshet.settings import Settings
from freshet.stack.stack import Stack
from freshet.udfs.top_n import ListedItem, Places, TopList
from freshet.udfs.versions import Version

pytestmark = pytest.mark.e2e

KINDS = 20
ITEMS = [f"thing {number}" for number in range(200)]
PLACEMENT = "shelf"
USERS = 600
LENGTH = 10
TTL_S = 3_600


def on_sale(item: str, **said: Any) -> dict[str, Any]:
    number = ITEMS.index(item)
    return {"item_id": item, "category": f"kind {number % KINDS}", "price": 2.0, "updated_at": 0} | said


class Worker:
    """Writes lists of what is in stock, one after the other, as a scoring worker does."""

    def __init__(self, settings: Settings, users: range, seed: int) -> None:
        vocabulary = Vocabulary(tuple(ITEMS[:150]), (), np.zeros(151, np.int32))  # the others only the catalogue knows
        self.live: LiveAssortment = follow_assortment(
            settings.kafka.bootstrap_servers,
            settings.registry.url,
            settings.redis.url.get_secret_value(),
            vocabulary,
            [PLACEMENT],
            TTL_S,
        )
        self._users = users
        self._chance = random.Random(seed)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.written = 0

    def start(self) -> None:
        self._write([(user, 0) for user in self._users])
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._is_over.wait(0.002):
            self.written += 1
            self._write([(self._chance.choice(self._users), self.written) for _ in range(3)])

    def _write(self, users: list[tuple[int, int]]) -> None:
        now = self.live.current
        sold = [ListedItem(item, 1.0, "popular", "why") for item in ITEMS if now.in_stock[now.index(item)]]
        # Such names as a lookup by text could fall over.
        lists = {user: self._a_list(f"s-{user}", sold, count) for user, count in users}
        self.live.writer.write([(TopN(PLACEMENT, one.subject).encode(), one) for one in lists.values()], TTL_S)
        hot = self._a_list("", sold, self.written)
        self.live.writer.write([(Hot(PLACEMENT).encode(), hot)], 0)

    def _a_list(self, subject: str, sold: list[ListedItem], count: int) -> TopList:
        places = tuple(self._chance.sample(sold, LENGTH))
        return TopList(PLACEMENT, subject, Places.of(places), "m/1", "full-cpu", Version(1, count), 5, "e")


@pytest.fixture(scope="module")
def workers(stack: Stack, settings: Settings) -> Iterator[list[Worker]]:
    produce(map(on_sale, ITEMS), settings, CATALOG)
    both = [Worker(settings, range(number, USERS, 2), number) for number in range(2)]
    for worker in both:
        worker.start()
    yield both
    for worker in both:
        worker.stop()
        worker.live.close()


@pytest.fixture
def store(settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
        yield client


def all_lists(store: redis.Redis) -> list[dict[str, Any]]:
    keys = [*store.scan_iter(f"topn:{PLACEMENT}:*", count=1_000), *store.scan_iter(f"hot:{PLACEMENT}*", count=1_000)]
    lists = [json.loads(value) for value in store.mget(keys) if value]
    assert len(lists) == USERS + 1
    return lists


def holders(store: redis.Redis, item: str) -> int:
    return sum(item in [place["item_id"] for place in one["items"]] for one in all_lists(store))


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (ITEMS[3], {"stock": 0}),
        (ITEMS[160], {"in_stock": False}),
        (ITEMS[5], None),
    ],
    ids=["none are left", "an item that the model does not know", "it left the catalogue"],
)
def test_what_is_not_sold_any_more_leaves_every_list_while_lists_are_written(
    workers: list[Worker], settings: Settings, store: redis.Redis, item: str, said: dict[str, Any] | None
) -> None:
    until(lambda: holders(store, item) > 10, "lists that hold it", timeout_s=60)
    with EventProducer(settings) as front:
        payload = None if said is None else front.encoder(CATALOG)(on_sale(item, **said))
        front.produce_bytes(CATALOG, item.encode(), payload)
    until(lambda: holders(store, item) == 0, "lists without it", timeout_s=60)
    before = sum(worker.written for worker in workers)
    until(lambda: sum(worker.written for worker in workers) > before + 50, "more lists", timeout_s=60)
    lists = all_lists(store)
    assert not [one for one in lists if item in [place["item_id"] for place in one["items"]]]
    assert {len(one["items"]) for one in lists} == {LENGTH}, "none is shorter for it"
    assert all(len({place["item_id"] for place in one["items"]}) == LENGTH for one in lists)


def test_its_place_is_taken_by_an_item_of_the_same_kind(
    workers: list[Worker], settings: Settings, store: redis.Redis
) -> None:
    item = ITEMS[7]
    for worker in workers:
        worker.stop()  # so that no new list takes the place of an edited one; the watch goes on
    places = {
        one["subject"]: [place["item_id"] for place in one["items"]].index(item)
        for one in all_lists(store)
        if item in [place["item_id"] for place in one["items"]]
    }
    assert places
    produce([on_sale(item, stock=0)], settings, CATALOG)
    until(lambda: holders(store, item) == 0, "lists without it", timeout_s=60)
    lists = {one["subject"]: one for one in all_lists(store)}
    taken = [lists[subject]["items"][place] for subject, place in places.items()]
    assert {ITEMS.index(place["item_id"]) % KINDS for place in taken} == {7}
    assert {place["source"] for place in taken} == {"substitute"}
    assert {place["reason"] for place in taken} == {f"instead of {item}, which is out of stock"}
