"""How soon an item that runs out is in no list any more: 20,000 lists, scanned whole, while two workers go on writing lists.

.venv/bin/python benchmarks/stock.py [LISTS]
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import redis
from harness import Bench, bench_stack
from rich.console import Console

from freshet.errors import FreshetError
from freshet.models.live_assortment import LiveAssortment, follow_assortment
from freshet.models.stock_watch import place_begins
from freshet.models.vocabulary import Vocabulary
from freshet.replay.journey import catalogue
from freshet.replay.produce import EventProducer
from freshet.schemas.avro import Record
from freshet.schemas.keys import TopN
from freshet.schemas.topics import CATALOG
from freshet.settings import load_settings
from freshet.udfs.top_n import Because, ListedItem, Places, TopList
from freshet.udfs.versions import Version

LISTS = 20_000
LENGTH = 20
ITEMS = 10_000
WORKERS = 2
WRITES_PER_S = 300
BATCH = 10
TTL_S = 604_800
PLACEMENT = "home"
RANKS = (0, 3, 30, 300, 3_000)
"""Items that run out, by how many lists hold them, and after each the next: the first stands in most lists."""

WATCHED_S = 3.0
LOOK_EVERY_S = 0.005
PAGE = 100

COUNT = """
local held = 0
for _, key in ipairs(KEYS) do
  local list = redis.call('GET', key)
  if list and string.find(list, ARGV[1], 1, true) then held = held + 1 end
end
return held
"""


def goods() -> list[Record]:
    """Return the items that are sold, the most listed first."""
    return [record for record in catalogue() if record["price"]][:ITEMS]


def vocabulary_of(items: Sequence[str]) -> Vocabulary:
    """Return a vocabulary of half of the items: the others are new to the model."""
    known = items[: len(items) // 2]
    return Vocabulary(tuple(known), (), np.zeros(len(known) + 1, np.int32))


class Writer:
    """Writes lists like those of the scoring job, of items in stock, the first of the catalogue most often."""

    def __init__(self, live: LiveAssortment, items: Sequence[str], seed: int) -> None:
        self._live = live
        self._items = items
        self._chance = np.random.default_rng(seed)
        self._count = 0

    def write(self, users: Sequence[int]) -> None:
        """Write a list for each user."""
        self._count += 1
        lists = [self._a_list(f"benchmark-of-lists-{user:05d}") for user in dict.fromkeys(users)]
        self._live.writer.write([(TopN(PLACEMENT, one.subject).encode(), one) for one in lists], TTL_S)

    def _a_list(self, subject: str) -> TopList:
        now = self._live.current
        ranks = (len(self._items) ** self._chance.random(5 * LENGTH)).astype(np.int64) - 1  # the odds fall as 1 / rank
        names = [self._items[rank] for rank in dict.fromkeys(ranks.tolist())]
        sold = [name for name in names if now.in_stock[now.index(name)]][:LENGTH]
        because = Because("items", tuple(names[:3]), "often bought with", 0.123)
        contributions = (("log1p(item_events_ewma_24h)", 0.51), ("log1p(user_category_ewma_7d)", 0.22))
        places = tuple(
            ListedItem(name, 1.234, "co-visit", "often bought with your latest items", because, contributions, (), 1.99)
            for name in sold
        )
        return TopList(
            PLACEMENT, subject, Places.of(places), "home-ranker/1", "full-cpu", Version(1, self._count), 5, "e"
        )


def work(number: int, lists: int) -> None:
    """Write this worker's lists once, say so, and go on writing some of them until the input ends."""
    settings = load_settings()
    items = [record["item_id"] for record in goods()]
    url = settings.redis.url.get_secret_value()
    live = follow_assortment(
        settings.kafka.bootstrap_servers, settings.registry.url, url, vocabulary_of(items), [PLACEMENT], TTL_S
    )
    users, writer = np.arange(number, lists, WORKERS), Writer(live, items, number)
    for start in range(0, len(users), BATCH):
        writer.write(users[start : start + BATCH].tolist())
    print("ready", flush=True)
    chance, begun, rounds = np.random.default_rng(number), time.monotonic(), 0
    while not (Path(sys.argv[3]).exists()):
        writer.write(chance.choice(users, BATCH).tolist())
        rounds += 1
        time.sleep(max(0.0, begun + rounds * BATCH * WORKERS / WRITES_PER_S - time.monotonic()))
    figures = vars(live.watch.figures) | {"writes_per_s": rounds * BATCH / (time.monotonic() - begun)}
    print(json.dumps(figures), flush=True)


class Scan:
    """Counts the lists that hold an item, by a look at every one."""

    def __init__(self, store: redis.Redis) -> None:
        self._store = store
        self._count = store.register_script(COUNT)

    def keys(self) -> Iterator[list[bytes]]:
        """Yield the keys of all lists, about a hundred at a time."""
        cursor = 0
        while True:
            cursor, keys = self._store.scan(cursor, f"topn:{PLACEMENT}:*", PAGE)
            yield keys
            if not cursor:
                return

    def holders(self, item: str) -> int:
        """Return how many lists hold an item."""
        return sum(self._of_page(keys, item) for keys in self.keys())

    def wait_until_gone(self, item: str) -> None:
        """Return when no list holds an item: a look at every one has found none.

        A page of lists is looked at until none of it holds the item, then the next: looking must not hold up the server.
        """
        while True:
            for keys in self.keys():
                while self._of_page(keys, item):
                    time.sleep(LOOK_EVERY_S)
            if not self.holders(item):
                return

    def _of_page(self, keys: list[bytes], item: str) -> int:
        return self._count(keys=keys, args=[place_begins(item)]) if keys else 0


@contextmanager
def sold_out(front: EventProducer, record: Record) -> Iterator[float]:
    """Set an item's stock to 0, yield when the broker had that, and fill the shelf again when all lists had time to change."""
    front.produce_one(record | {"stock": 0}, CATALOG)
    yield time.monotonic()
    front.produce_one(record | {"stock": 1}, CATALOG)


def one_second_later(scan: Scan, front: EventProducer, record: Record) -> dict[str, Any]:
    """Let an item run out, look at nothing for a second, and then at every list, and again later."""
    before = scan.holders(record["item_id"])
    with sold_out(front, record) as begun:
        time.sleep(begun + 1.0 - time.monotonic())
        held = scan.holders(record["item_id"])
        time.sleep(max(0.0, begun + WATCHED_S - time.monotonic()))
        return {"holders": before, "held_after_1s": held, "held_after_3s": scan.holders(record["item_id"])}


def watched(scan: Scan, front: EventProducer, record: Record) -> dict[str, Any]:
    """Let an item run out, and look at lists until a look at every one finds none that holds it."""
    before = scan.holders(record["item_id"])
    with sold_out(front, record) as begun:
        scan.wait_until_gone(record["item_id"])
        gone_s = time.monotonic() - begun
        time.sleep(max(0.0, begun + WATCHED_S - time.monotonic()))
        return {"watched_holders": before, "gone_s": round(gone_s, 3)}


def measure(bench: Bench, lists: int) -> tuple[list[dict[str, Any]], float]:
    """Run the workers, let items run out, and return what came of each, and the longest that a worker swept, in seconds."""
    stop = Path.cwd() / "stop"
    records = goods()
    with EventProducer(bench.settings) as front:
        front.produce(records, CATALOG)
        command = [sys.executable, str(Path(__file__).resolve()), "--work"]
        workers = [
            subprocess.Popen([*command, f"{number}/{lists}", str(stop)], stdout=subprocess.PIPE, text=True)
            for number in range(WORKERS)
        ]
        outs = [worker.stdout for worker in workers]
        for out in outs:
            while out and (line := out.readline()) != "ready\n":
                if not line:
                    raise FreshetError("A worker of the benchmark has ended.")
        with bench.redis() as store:
            scan = Scan(store)
            found = [
                {"rank": rank} | one_second_later(scan, front, records[rank]) | watched(scan, front, records[rank + 1])
                for rank in RANKS
            ]
            sizes = [store.strlen(key) for key in next(scan.keys())]
        stop.touch()
    swept = [json.loads(out.readline()) for out in outs if out]
    print(f"{lists} lists of {LENGTH} items, {np.mean(sizes):.0f} bytes each; a worker:", *swept, sep="\n")
    return found, max(one["worst_s"] for one in swept)


def main() -> None:
    """Run, and print the figures."""
    if sys.argv[1:2] == ["--work"]:
        number, lists = map(int, sys.argv[2].split("/"))
        work(number, lists)
        return
    lists = int(sys.argv[1]) if len(sys.argv) > 1 else LISTS
    with bench_stack() as bench:
        found, swept_s = measure(bench, lists)
    for one in found:
        Console().print(one)
    figures = {
        "stock_held_after_1s": sum(one["held_after_1s"] for one in found),
        "stock_swept_s": round(swept_s, 3),
        "stock_seen_gone_s": max(one["gone_s"] for one in found),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
