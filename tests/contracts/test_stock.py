"""What is not sold any more leaves the lists that stand: the index of who holds what, and the edits, in a real Redis."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contracts.redis_server import RedisServer
from freshet.models.assortment import Assortment, Change, Difference, Item, Shelves, differences
from freshet.models.likeness import Likeness
from freshet.models.stock_watch import REPLACE, RESTATE, StockWatch, Task, place_begins, place_goes_on
from freshet.models.vocabulary import Vocabulary
from freshet.schemas.keys import Hot, TopN
from freshet.udfs.holders import RESTATED_AFTER_S, Holders, IndexedListWriter, Spans
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.top_n import Because, Intervention, ListedItem, ListWriter, Places, TopList
from freshet.udfs.versions import Version, Written

TTL_S = 1_000
NOW_S = (time.time() // TTL_S + 1.5) * TTL_S  # the middle of a span that is not over by the server's clock
KEY = "topn:home:{ann}"

texts = st.text(max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
ids = st.text(min_size=1, max_size=6) | st.sampled_from(
    ['"', "\\", "{", "}", '","score":', "ä", "\u2028", '{"item_id":"a",']
)
places = st.builds(
    ListedItem,
    item_id=ids,
    score=numbers,
    source=texts,
    reason=texts,
    evidence=st.none() | st.builds(Because, texts, st.lists(ids, max_size=3).map(tuple), texts, numbers),
    contributions=st.lists(st.tuples(texts, numbers), max_size=2).map(tuple),
    moves=st.lists(texts, max_size=2).map(tuple),
    price=st.none() | numbers,
    promotion=st.none() | ids,
)
asked = st.none() | st.builds(Intervention, texts, texts, st.none() | ids, st.integers(0, 2**53))
lists_of_places = st.lists(places, min_size=1, max_size=6, unique_by=lambda place: place.item_id)
on_real_redis = hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def a_list(*items: ListedItem | str, count: int = 1, subject: str = "ann", intervention: Any = None) -> TopList:
    listed = tuple(one if isinstance(one, ListedItem) else ListedItem(one, 1.0, "popular", "why") for one in items)
    version = Version(1_000, count)
    return TopList("home", subject, Places.of(listed), "m/1", "full-cpu", version, 5, "e", intervention=intervention)


def items_at(store: redis.Redis, key: str = KEY) -> list[str]:
    value = store.get(key)
    return [place["item_id"] for place in json.loads(value)["items"]] if value else []


Connect = Callable[[], RedisPipe]


@pytest.fixture
def connect(server: RedisServer) -> Iterator[Connect]:
    """Open connections, which are closed when the test is over."""
    pipes: list[RedisPipe] = []

    def connected() -> RedisPipe:
        pipes.append(RedisPipe(server.url))
        return pipes[-1]

    yield connected
    for pipe in pipes:
        pipe.close()


@pytest.fixture
def pipe(connect: Connect) -> RedisPipe:
    return connect()


# ---- Edits ----------------------------------------------------------------------------------------------------------


def replaced(pipe: RedisPipe, item: str, others: Sequence[ListedItem], guard: tuple[bytes, bytes] = (b"", b"")) -> int:
    pairs = [piece for one in others for piece in (place_begins(one.item_id), place_goes_on(one))]
    (answer,) = pipe.run_script(REPLACE, [([KEY.encode()], [place_begins(item), *guard, *pairs])])
    return int(answer)


def replaced_slowly(stood: dict[str, Any], item: str, others: Sequence[ListedItem]) -> dict[str, Any]:
    held = [place["item_id"] for place in stood["items"]]
    other = next((orjson.loads(orjson.dumps(one.record())) for one in others if one.item_id not in held), None)
    edited = [
        other and other | {"score": place["score"]} if place["item_id"] == item else place for place in stood["items"]
    ]
    return stood | {"items": [place for place in edited if place]}


def priced(pipe: RedisPipe, item: str, price: float | None) -> int:
    arguments = [place_begins(item), b"", b"", b"price", orjson.dumps(price)]
    (answer,) = pipe.run_script(RESTATE, [([KEY.encode()], arguments)])
    return int(answer)


def priced_slowly(stood: dict[str, Any], item: str, price: float | None) -> dict[str, Any]:
    return stood | {"items": [one | {"price": price} if one["item_id"] == item else one for one in stood["items"]]}


@on_real_redis
@given(lists_of_places, st.data(), asked)
def test_a_list_is_edited_again_and_again_as_if_it_was_parsed_whatever_its_texts_hold(
    pipe: RedisPipe, store: redis.Redis, held: list[ListedItem], data: st.DataObject, asked: Any
) -> None:
    value = a_list(*held, intervention=asked).json
    store.set(KEY, value)
    expected = orjson.loads(value)
    while expected["items"] and data.draw(st.integers(0, 4)):
        item = data.draw(st.sampled_from([*(place["item_id"] for place in expected["items"]), "not there"]))
        if data.draw(st.booleans()):
            others = data.draw(st.lists(places, max_size=2))
            replaced(pipe, item, others)
            expected = replaced_slowly(expected, item, [one for one in others if one.item_id != item])
        else:
            price = data.draw(st.none() | numbers)
            priced(pipe, item, price)
            expected = priced_slowly(expected, item, price)
        left = store.get(KEY)
        assert (left and orjson.loads(left)) == (expected if expected["items"] else None)


def test_numbers_and_empty_arrays_come_through_as_they_were(pipe: RedisPipe, store: redis.Redis) -> None:
    held = [
        ListedItem("a", 1.0, "s", "r"),
        ListedItem("b", 12345678.123456789, "s", "r"),
        ListedItem("c", 2.5e-8, "s", "r"),
    ]
    store.set(KEY, a_list(*held).json)
    assert replaced(pipe, "b", [ListedItem("d", 0.0, "substitute", "why")]) == 1
    assert store.get(KEY) == a_list(held[0], ListedItem("d", 12345678.123456789, "substitute", "why"), held[2]).json


def test_an_edited_list_keeps_its_version_and_its_time_to_live(pipe: RedisPipe, store: redis.Redis) -> None:
    writer = ListWriter(pipe)
    writer.write([(KEY, a_list("a", "b", count=7))], 500)
    assert replaced(pipe, "a", [ListedItem("c", 0.0, "s", "r")]) == 1
    assert 490 < store.ttl(KEY) <= 500
    assert writer.write([(KEY, a_list("z", count=6))], 500) == Written(0, 1)
    assert writer.write([(KEY, a_list("z", count=7))], 500) == Written(1, 0)


def test_the_first_like_item_that_is_not_in_the_list_takes_the_place(pipe: RedisPipe, store: redis.Redis) -> None:
    store.set(KEY, a_list("a", "b", "c").json)
    assert replaced(pipe, "b", [ListedItem(one, 0.0, "s", "r") for one in ("c", "a", "d")]) == 3
    assert items_at(store) == ["a", "d", "c"]


@pytest.mark.parametrize(("held", "left"), [("ab", ["b"]), ("ba", ["b"]), ("bac", ["b", "c"])])
def test_without_a_like_item_the_place_goes(pipe: RedisPipe, store: redis.Redis, held: str, left: list[str]) -> None:
    store.set(KEY, a_list(*held).json)
    assert replaced(pipe, "a", []) == -1
    assert items_at(store) == left


def test_an_empty_list_is_shown_to_nobody(pipe: RedisPipe, store: redis.Redis) -> None:
    store.set(KEY, a_list("a").json)
    assert replaced(pipe, "a", [ListedItem("a", 0.0, "s", "r")]) == -2
    assert not store.exists(KEY)
    assert replaced(pipe, "a", []) == 0


def test_only_a_place_that_says_so_is_replaced_when_a_promotion_is_over(
    pipe: RedisPipe, connect: Connect, store: redis.Redis
) -> None:
    other = [ListedItem("b", 0.0, "s", "r")]
    for promotion, left in ((None, "a"), ("summer", "a"), ("week 12", "b")):
        store.set(KEY, a_list(ListedItem("a", 1.0, "s", "r", promotion=promotion)).json)
        replaced(pipe, "a", other, (b"promotion", b'"week 12"'))
        assert items_at(store) == [left]


# ---- The index ------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self, now_s: float = NOW_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(connect: Connect, clock: Clock) -> IndexedListWriter:
    return IndexedListWriter(connect(), TTL_S, now_s=clock)


@pytest.fixture
def holders(connect: Connect, clock: Clock) -> Holders:
    return Holders(connect(), TTL_S, clock)


def held_by(holders: Holders, item: str) -> set[str]:
    return {member.key for page in holders.pages("home", item) for member in page}


def written(writer: ListWriter, *lists: TopList) -> Written:
    return writer.write([(TopN("home", one.subject).encode(), one) for one in lists], TTL_S)


def test_the_index_names_every_list_that_holds_an_item(writer: IndexedListWriter, holders: Holders) -> None:
    written(writer, a_list("a", "b"), a_list("b", "c", subject="bob"))
    writer.write([(Hot("home").encode(), a_list("b", subject="")), (Hot("home", "bread").encode(), a_list("c"))], 0)
    assert held_by(holders, "a") == {KEY}
    assert held_by(holders, "b") == {KEY, "topn:home:{bob}", "hot:home"}
    assert held_by(holders, "c") == {"topn:home:{bob}", "hot:home:bread"}
    assert holders.held("home", ["a", "z", "c"]) == [True, False, True]
    assert holders.held("elsewhere", ["a"]) == [False]


def test_a_list_that_let_go_of_an_item_is_not_named_for_it(writer: IndexedListWriter, holders: Holders) -> None:
    written(writer, a_list("a", "b", count=1))
    written(writer, a_list("b", "c", count=2))
    assert held_by(holders, "a") == set()
    assert KEY in held_by(holders, "c")


def test_a_worker_that_starts_anew_learns_from_the_list_what_it_held(
    connect: Connect, writer: IndexedListWriter, holders: Holders, clock: Clock
) -> None:
    written(writer, a_list("a", "b", count=1))
    second = IndexedListWriter(connect(), TTL_S, now_s=clock)
    written(second, a_list("c", count=2))
    assert (held_by(holders, "a"), held_by(holders, "c")) == (set(), {KEY})


def test_a_list_that_was_refused_lets_the_one_that_stands_be_found(
    connect: Connect, writer: IndexedListWriter, holders: Holders, clock: Clock
) -> None:
    written(writer, a_list("a", count=1))
    written(IndexedListWriter(connect(), TTL_S, now_s=clock), a_list("a", "b", count=9))
    assert written(writer, a_list("c", count=2)) == Written(0, 1)
    assert held_by(holders, "a") == held_by(holders, "b") == {KEY}


some_items = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4, unique=True)
batches = st.lists(st.dictionaries(st.sampled_from(["ann", "bob"]), some_items, min_size=1), min_size=1, max_size=12)


@on_real_redis
@given(
    batches, st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0, 1, 30, 700, 1_500])), min_size=12, max_size=12)
)
def test_whatever_two_workers_write_the_index_lacks_no_list_that_stands(
    connect: Connect, store: redis.Redis, writes: list[dict[str, list[str]]], turns: list[tuple[int, int]]
) -> None:
    """And names none that does not hold the item."""
    store.flushall()
    clock, holders = Clock(), Holders(connect(), 0)
    writers = [IndexedListWriter(connect(), 0, remembered=1, now_s=clock) for _ in range(2)]
    for number, (lists, (turn, pause_s)) in enumerate(zip(writes, turns, strict=False), start=1):
        clock.now_s += pause_s
        written(writers[turn], *(a_list(*items, count=number, subject=name) for name, items in lists.items()))
        stand = {key: set(items_at(store, key)) for key in ("topn:home:{ann}", "topn:home:{bob}")}
        for item in "abcdefgh":
            assert held_by(holders, item) == {key for key, items in stand.items() if item in items}


def test_a_list_is_found_as_long_as_it_stands_and_its_name_goes_after_it(
    server: RedisServer, store: redis.Redis, writer: IndexedListWriter, holders: Holders, clock: Clock
) -> None:
    written(writer, a_list("a"))
    clock.now_s += TTL_S
    assert held_by(holders, "a") == {KEY}
    clock.now_s += TTL_S + 120
    assert held_by(holders, "a") == set()
    (key,) = store.keys("holds:*")
    assert NOW_S + TTL_S < time.time() + store.ttl(key) < NOW_S + 2 * TTL_S + 120


def test_the_sets_of_a_span_outlive_every_list_that_they_name() -> None:
    spans = Spans(TTL_S)
    for written_s in (0.0, 999.9, 1_000.0, 123_456.7):
        gone_s = written_s + TTL_S
        assert spans.over(spans.now(written_s)) >= gone_s
        assert spans.now(written_s) in spans.standing(written_s)
        assert spans.now(written_s) in spans.standing(gone_s)
    assert Spans(0).standing(1e9) == [Spans(0).now(1e9)] == [0]


def test_a_list_that_is_rewritten_for_long_stays_in_the_index(
    writer: IndexedListWriter, holders: Holders, clock: Clock
) -> None:
    for count in range(1, 60):
        written(writer, a_list("a", count=count))
        assert held_by(holders, "a") == {KEY}
        clock.now_s += TTL_S / 10


def test_after_a_server_has_lost_everything_the_next_list_is_in_the_index(
    store: redis.Redis, writer: IndexedListWriter, holders: Holders
) -> None:
    written(writer, a_list("a", count=1))
    store.flushall()
    written(writer, a_list("a", count=2))
    assert held_by(holders, "a") == {KEY}


def test_an_index_that_the_server_lost_is_there_again_in_time(
    store: redis.Redis, writer: IndexedListWriter, holders: Holders, clock: Clock
) -> None:
    clock.now_s -= TTL_S / 2
    written(writer, a_list("a", count=1))
    store.delete(*store.keys("holds:*"))
    clock.now_s += RESTATED_AFTER_S
    written(writer, a_list("a", count=2))
    assert held_by(holders, "a") == {KEY}


# ---- The watch ------------------------------------------------------------------------------------------------------


class Shop:
    """A catalogue of three teas, a soap and a salt, and lists that hold them."""

    def __init__(self, connect: Connect) -> None:
        teas = {f"tea {n}": Item(price=2.0 + n / 10, category="tea", title=f"black tea {n}") for n in range(3)}
        self.stated = teas | {"soap": Item(price=1.0, category="soap"), "salt": Item(price=9.0, category="salt")}
        vocabulary = Vocabulary(tuple(self.stated), (), np.zeros(len(self.stated) + 1, np.int32))
        self.shelves = Shelves(vocabulary)
        self.shelves.take(list(self.stated.items()))
        self.likeness = Likeness.of(self.shelves.current)
        self.writer = IndexedListWriter(connect(), 0)
        pipe = connect()
        self.watch = StockWatch(
            pipe,
            Holders(pipe, 0),
            self.writer,
            ["home"],
            lambda: self.shelves.current,
            lambda: self.likeness,
        )

    @property
    def current(self) -> Assortment:
        return self.shelves.current

    def hears(self, *changes: Change) -> list[Difference]:
        """Take changes in and tell the watch, which does not run."""
        before, now_ms = self.current, int(NOW_S * 1_000)
        named = self.shelves.take(changes)
        found = differences(before, self.current, named, now_ms, now_ms, 0.01)
        self.watch.hear(self.current, found)
        return found

    def states(self, item: str, **said: Any) -> list[Difference]:
        self.stated[item] = self.stated[item]._replace(**said)
        return self.hears((item, self.stated[item]))

    def sweeps(self, found: Sequence[Difference]) -> None:
        self.watch.sweep([Task(0.0, one, 0.0, 0.0, ()) for one in found])

    def listed(self, item: str, promotion: str | None = None) -> ListedItem:
        index = self.current.index(item)
        return ListedItem(item, 1.0, "popular", "why", price=self.current.price_of(index), promotion=promotion)


@pytest.fixture
def shop(connect: Connect) -> Iterator[Shop]:
    shop = Shop(connect)
    yield shop
    shop.watch.stop()


def test_what_is_out_of_stock_is_replaced_by_the_nearest_like_item_in_stock(shop: Shop, store: redis.Redis) -> None:
    written(shop.writer, a_list("salt", "tea 0"), a_list("soap", "salt", subject="bob"))
    shop.writer.write([(Hot("home").encode(), a_list("tea 0", subject=""))], 0)
    shop.sweeps(shop.states("tea 0", in_stock=False))
    assert (items_at(store), items_at(store, "hot:home")) == (["salt", "tea 1"], ["tea 1"])
    assert items_at(store, "topn:home:{bob}") == ["soap", "salt"]
    place = json.loads(store.get(KEY))["items"][1]
    assert (place["source"], place["reason"]) == ("substitute", "instead of black tea 0, which is out of stock")
    assert (place["score"], place["price"], place["evidence"]["items"]) == (1.0, 2.1, ["tea 0"])
    assert (shop.watch.figures.replaced, shop.watch.figures.dropped) == (2, 0)


def test_what_is_out_of_stock_itself_takes_no_place(shop: Shop, store: redis.Redis) -> None:
    written(shop.writer, a_list("tea 0"))
    shop.sweeps([*shop.states("tea 1", in_stock=False), *shop.states("tea 0", in_stock=False)])
    assert items_at(store) == ["tea 2"]


def test_a_substitute_that_runs_out_too_is_found_and_replaced(shop: Shop, store: redis.Redis) -> None:
    written(shop.writer, a_list("tea 0"))
    shop.sweeps(shop.states("tea 0", in_stock=False))
    shop.sweeps(shop.states("tea 1", in_stock=False))
    assert items_at(store) == ["tea 2"]


def test_an_item_that_left_the_catalogue_leaves_the_lists(shop: Shop, store: redis.Redis) -> None:
    written(shop.writer, a_list("tea 1"))
    shop.sweeps(shop.hears(("tea 1", None)))
    assert items_at(store)[0] in ("tea 0", "tea 2")


def test_an_item_that_is_back_before_the_sweep_stays(shop: Shop, store: redis.Redis) -> None:
    written(shop.writer, a_list("tea 0"))
    found = shop.states("tea 0", in_stock=False)
    shop.states("tea 0", in_stock=True)
    shop.sweeps(found)
    assert items_at(store) == ["tea 0"]


def test_after_a_sweep_the_index_has_no_holders_and_finds_those_that_come_when_it_is_back(
    shop: Shop, connect: Connect, store: redis.Redis
) -> None:
    holders = Holders(connect(), 0)
    written(shop.writer, a_list("tea 0", count=1))
    shop.sweeps(shop.states("tea 0", in_stock=False))
    assert held_by(holders, "tea 0") == set()
    shop.states("tea 0", in_stock=True)
    written(shop.writer, a_list("tea 0", count=2))
    assert held_by(holders, "tea 0") == {KEY}
    shop.sweeps(shop.states("tea 0", in_stock=False))
    assert items_at(store) == ["tea 1"]


def test_a_list_that_is_written_while_another_worker_empties_the_index_is_found_by_its_writer(
    connect: Connect, store: redis.Redis
) -> None:
    early, late = Shop(connect), Shop(connect)
    written(late.writer, a_list("tea 0", count=1))
    early.sweeps(early.states("tea 0", in_stock=False))
    written(late.writer, a_list("tea 0", "salt", count=2))  # it has not heard, and knows that it is named for it
    assert held_by(Holders(connect(), 0), "tea 0") == set()
    late.sweeps(late.states("tea 0", in_stock=False))
    assert items_at(store) == ["tea 1", "salt"]


def test_a_promotion_that_is_over_takes_its_item_from_lists_that_show_it(shop: Shop, store: redis.Redis) -> None:
    shop.states("tea 0", promotion="week 12")
    written(shop.writer, a_list(shop.listed("tea 0", "week 12")), a_list(shop.listed("tea 0"), subject="bob"))
    shop.sweeps(shop.states("tea 0", promotion=None))
    assert (items_at(store), items_at(store, "topn:home:{bob}")) == (["tea 1"], ["tea 0"])
    assert json.loads(store.get(KEY))["items"][0]["reason"].endswith("which is not on offer any more")


def test_a_promotion_that_another_follows_is_named_anew(shop: Shop, store: redis.Redis) -> None:
    shop.states("tea 0", promotion="week 12")
    written(shop.writer, a_list(shop.listed("tea 0", "week 12")))
    shop.sweeps(shop.states("tea 0", promotion="week 13"))
    (place,) = json.loads(store.get(KEY))["items"]
    assert (place["item_id"], place["promotion"]) == ("tea 0", "week 13")


def test_a_new_price_is_stated_in_the_lists(shop: Shop, store: redis.Redis) -> None:
    before = a_list("salt", shop.listed("tea 0"))
    written(shop.writer, before)
    shop.sweeps(shop.states("tea 0", price=3.0))
    restated = a_list("salt", shop.listed("tea 0")._replace(price=3.0)).json
    assert orjson.loads(store.get(KEY)) == orjson.loads(restated)
    assert shop.watch.figures.restated == 1


def test_workers_that_sweep_together_share_the_lists(
    connect: Connect, store: redis.Redis, until: Callable[[Callable[[], bool]], None]
) -> None:
    shops = [Shop(connect) for _ in range(2)]
    names = [f"user-{number}" for number in range(6_000)]
    elsewhere = IndexedListWriter(connect(), 0)
    for start in range(0, len(names), 500):
        written(elsewhere, *(a_list("tea 0", "salt", subject=name) for name in names[start : start + 500]))
    for shop in shops:
        shop.states("tea 0", in_stock=False)
    for shop in shops:
        shop.watch.start()
    until(lambda: sum(shop.watch.figures.replaced for shop in shops) == len(names))
    assert all(items_at(store, TopN("home", name).encode()) == ["tea 1", "salt"] for name in names)
    for shop in shops:
        shop.watch.stop()


def test_a_list_of_a_worker_that_had_not_heard_is_caught_by_a_later_sweep(
    shop: Shop, connect: Connect, store: redis.Redis, until: Callable[[Callable[[], bool]], None]
) -> None:
    written(shop.writer, a_list("tea 0", subject="bob"))
    shop.watch.start()
    shop.states("tea 0", in_stock=False)
    until(lambda: shop.watch.figures.replaced == 1)
    written(IndexedListWriter(connect(), 0), a_list("tea 0"))
    until(lambda: items_at(store) == ["tea 1"])


def test_after_a_failure_in_the_middle_of_an_edit_every_substitute_can_still_be_found(
    shop: Shop, connect: Connect, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(shop.writer, a_list("tea 0"))
    found = shop.states("tea 0", in_stock=False)

    def edited_without_an_answer(*asked: Any) -> list[Any]:
        connect().run_for_each(*asked)
        raise redis.TimeoutError

    with monkeypatch.context() as broken:
        broken.setattr(shop.watch._pipe, "run_for_each", edited_without_an_answer)
        with pytest.raises(redis.TimeoutError):
            shop.sweeps(found)
    shop.sweeps(found)
    assert (items_at(store), held_by(Holders(connect(), 0), "tea 1")) == (["tea 1"], {KEY})


def test_a_server_that_is_away_for_a_while_holds_the_sweeps_up_and_loses_none(
    shop: Shop, server: RedisServer, store: redis.Redis, until: Callable[[Callable[[], bool]], None]
) -> None:
    written(shop.writer, a_list("tea 0"))
    shop.watch._pipe.run([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")])  # its connection breaks
    shop.watch.start()
    shop.states("tea 0", in_stock=False)
    until(lambda: items_at(store) == ["tea 1"])


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for something that a thread does."""

    def wait(look: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not look():
            assert time.monotonic() < deadline, "it does not happen"
            time.sleep(0.01)

    return wait
