"""From stored features to a stored list, with the model that ships and a real Redis."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import redis

from contracts.conftest import MakeListMaker
from contracts.list_makers import listed
from contracts.redis_server import RedisServer
from freshet.models.affinity import Affinities
from freshet.models.popularity import PopularityFeed
from freshet.models.profiles import Update
from freshet.schemas.keys import Hot, TopN
from freshet.udfs.feast_layout import (
    EntityKeys,
    double,
    field_name,
    string_list,
    timestamp,
    timestamp_field,
    version_field,
)
from freshet.udfs.read_features import FeatureReader
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.top_n import ListedItem, ListWriter, Places, TopList
from freshet.udfs.versions import Version, Written

NOW = 1_700_000_000_000
HOUR_MS = 3_600_000
LENGTH = 20


def put(
    store: redis.Redis,
    view: str,
    entity: Mapping[str, str],
    features: Mapping[str, bytes],
    *,
    as_of: int = NOW,
    count: int = 1,
) -> None:
    """Store an entity as the features job does."""
    own = {timestamp_field(view): timestamp(as_of), version_field(view): f"{as_of}-{count}"}
    values = {field_name(view, name): value for name, value in features.items()}
    store.hset(EntityKeys("freshet", list(entity))(list(entity.values())), mapping=own | values)


def put_user(
    store: redis.Redis, subject: str, items: Sequence[str], bought: Sequence[str] = (), *, count: int = 1
) -> None:
    features = {"user_items_last_20": string_list(items), "user_purchases_last_50": string_list(bought)}
    put(store, "user_activity", {"subject": subject}, features, count=count)


def an_update(subject: str, count: int = 1) -> Update:
    return Update(subject, NOW, count, f"e-{subject}-{count}")


def ids(items: Sequence[ListedItem]) -> list[str]:
    return [one.item_id for one in items]


@pytest.fixture(scope="module")
def known() -> tuple[str, ...]:
    """The items that the model knows, the most bought first."""
    from freshet.models.artefact import Artefact

    return Artefact.load().vocabulary.items


# ---- A user's list --------------------------------------------------------------------------------------------------


def test_a_list_is_stored_as_it_is_announced(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, known: Sequence[str]
) -> None:
    put_user(store, "ann", known[:3])
    (made,) = list_maker().recommend([an_update("ann")])
    stored = json.loads(store.get(TopN("home", "ann").encode()))
    assert stored == json.loads(json.dumps(made.record()))
    assert (len(stored["items"]), stored["version"], stored["tier"]) == (LENGTH, f"{NOW}-1", "full-cpu")
    scores = [one["score"] for one in stored["items"]]
    assert scores == sorted(scores, reverse=True)


def test_what_was_seen_or_bought_is_not_in_it(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, known: Sequence[str]
) -> None:
    recommender = list_maker()
    put_user(store, "ann", known[:1])
    (before,) = recommender.recommend([an_update("ann")])
    bought, seen = listed(before)[0].item_id, listed(before)[1].item_id
    put_user(store, "ann", [known[0], seen], [bought], count=2)
    (after,) = recommender.recommend([an_update("ann", 2)])
    assert {bought, seen, known[0]}.isdisjoint(ids(listed(after)))
    assert len(listed(after)) == LENGTH


def test_other_items_make_another_list(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, known: Sequence[str]
) -> None:
    put_user(store, "ann", known[100:103])
    put_user(store, "bob", known[500:503])
    ann, bob = list_maker().recommend([an_update("ann"), an_update("bob")])
    assert set(ids(listed(ann))) != set(ids(listed(bob)))


def test_a_list_does_not_depend_on_its_batch(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, known: Sequence[str]
) -> None:
    for place, subject in enumerate(("ann", "bob", "cid")):
        put_user(store, subject, known[place * 50 : place * 50 + 4])
    recommender = list_maker()
    together = recommender.recommend([an_update(subject) for subject in ("ann", "bob", "cid")])
    alone = [recommender.recommend([an_update(subject)])[0] for subject in ("ann", "bob", "cid")]
    assert [ids(listed(one)) for one in together] == [ids(listed(one)) for one in alone]


def test_of_a_subjects_updates_in_a_batch_the_newest_counts(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, known: Sequence[str]
) -> None:
    put_user(store, "ann", known[:3], count=7)
    (made,) = list_maker().recommend([an_update("ann", 7), an_update("ann", 5)])
    assert (made.event_id, made.version) == ("e-ann-7", Version(NOW, 7))


def test_an_announcement_that_is_overtaken_carries_the_version_that_was_read(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, known: Sequence[str]
) -> None:
    put_user(store, "ann", known[:3], count=9)
    (made,) = list_maker().recommend([an_update("ann", 5)])
    assert made.version == Version(NOW, 9)


@pytest.mark.parametrize("items", [(), ("no such item",)], ids=["nobody knows the user", "nobody knows the item"])
def test_without_a_known_item_the_list_is_the_popular_one(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, items: tuple[str, ...]
) -> None:
    if items:
        put_user(store, "new", items)
    (made,) = list_maker().recommend([an_update("new")])
    assert {one.source for one in listed(made)} == {"popular"}
    assert len(listed(made)) == LENGTH


def test_no_updates_make_no_lists(list_maker: MakeListMaker, server: RedisServer, store: redis.Redis) -> None:
    assert list_maker().recommend([]) == []
    assert store.keys("topn:*") == []


# ---- The hot list ---------------------------------------------------------------------------------------------------


def test_a_hot_list_stands_before_anybody_has_done_anything(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis
) -> None:
    list_maker()
    hot = json.loads(store.get(Hot("home").encode()))
    assert len(hot["items"]) == LENGTH


def test_the_hot_list_is_what_happens_most_now(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, known: Sequence[str]
) -> None:
    for count, item in enumerate(known[3_000:3_005], start=1):
        put_item(store, item, 100.0 * count)
    put_user(store, "ann", known[:3])
    list_maker().recommend([an_update("ann")])
    hot = json.loads(store.get(Hot("home").encode()))
    assert [one["item_id"] for one in hot["items"]][:5] == list(reversed(known[3_000:3_005]))
    assert (hot["subject"], hot["tier"]) == ("", "hot")


def test_a_worker_that_starts_anew_replaces_the_hot_list_of_the_one_before(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, known: Sequence[str]
) -> None:
    put_item(store, known[0], 1.0)
    list_maker()
    first = json.loads(store.get(Hot("home").encode()))
    list_maker()
    second = json.loads(store.get(Hot("home").encode()))
    assert first["as_of"] == second["as_of"] == NOW
    assert int(second["version"].split("-")[1]) > int(first["version"].split("-")[1])


def put_item(store: redis.Redis, item: str, events: float, *, as_of: int = NOW) -> None:
    features = {"item_events_ewma_1h": double(events), "item_events_ewma_24h": double(events)}
    put(store, "item_popularity", {"item_id": item}, features, as_of=as_of)


# ---- Popularity and affinity ----------------------------------------------------------------------------------------


def a_feed(server: RedisServer, items: Sequence[str]) -> PopularityFeed:
    features = ("item_events_ewma_1h", "item_events_ewma_24h")
    reader = FeatureReader(RedisPipe(server.url), "freshet", "item_popularity", ("item_id",), features)
    return PopularityFeed(reader.read, lambda: items, len(items), sweep_s=0.0)


def test_popularity_stands_for_one_time_and_decays_from_there(server: RedisServer, store: redis.Redis) -> None:
    put_item(store, "a", 8.0, as_of=NOW - 24 * HOUR_MS)
    put_item(store, "c", 3.0)
    current = a_feed(server, ["a", "b", "c"]).current
    assert current.latest == NOW
    assert current.order.tolist() == [1, 3, 2]
    items, times = np.array([[1, 2, 3]] * 3), np.array([NOW, NOW + 24 * HOUR_MS, NOW - HOUR_MS])
    by_day = current.of(items, times)[..., 1]
    assert by_day.tolist() == [[4.0, 0.0, 3.0], [2.0, 0.0, 1.5], [4.0, 0.0, 3.0]]


def test_of_equally_popular_items_the_vocabulary_decides(server: RedisServer, store: redis.Redis) -> None:
    put_item(store, "c", 1.0)
    assert a_feed(server, ["a", "b", "c", "d"]).current.order.tolist() == [3, 1, 2, 4]


def test_affinities_are_those_of_the_user_and_the_category_decayed(server: RedisServer, store: redis.Redis) -> None:
    week = 7 * 24 * HOUR_MS
    features = {"user_category_ewma_7d": double(4.0), "user_category_ewma_30m": double(2.0)}
    put(store, "user_category_affinity", {"subject": "ann", "category": "bread"}, features)
    put(store, "user_category_affinity", {"subject": "bob", "category": "milk"}, features, as_of=NOW - week)
    names = ("user_category_ewma_7d", "user_category_ewma_30m")
    reader = FeatureReader(RedisPipe(server.url), "freshet", "user_category_affinity", ("subject", "category"), names)
    users = [("ann", ["bread", "unheard of"]), ("bob", ["tea", "milk", "bread"])]
    kinds = np.array([[0, 1, 2, 1], [2, 1, 0, 3]], np.int32)
    found = Affinities(reader, ["bread", "milk", "tea"]).of(users, np.array([NOW, NOW]), kinds)
    assert found[..., 0].tolist() == [[0.0, 4.0, 0.0, 4.0], [2.0, 0.0, 0.0, 0.0]]
    assert found[0, :, 1].tolist() == [0.0, 2.0, 0.0, 2.0]


# ---- The rule of versions -------------------------------------------------------------------------------------------


def a_list(version: Version, item: str = "i") -> TopList:
    return TopList(
        "home", "ann", Places.of([ListedItem(item, 1.0, "popular", "why")]), "m/1", "full-cpu", version, NOW, "e"
    )


@pytest.mark.parametrize(
    ("standing", "arriving", "wins"),
    [
        (Version(10, 1), Version(10, 1), True),
        (Version(10, 2), Version(10, 1), False),
        (Version(10, 9), Version(11, 1), True),
        (Version(11, 1), Version(10, 9), False),
        (Version(-5, 1), Version(3, 1), True),
    ],
)
def test_the_newer_list_stands(
    server: RedisServer, store: redis.Redis, standing: Version, arriving: Version, wins: bool
) -> None:
    writer = ListWriter(RedisPipe(server.url))
    writer.write([("l", a_list(standing, "old"))], 60)
    assert writer.write([("l", a_list(arriving, "new"))], 60) == Written(int(wins), int(not wins))
    assert json.loads(store.get("l"))["items"][0]["item_id"] == ("new" if wins else "old")


def test_a_list_lives_as_long_as_it_is_told(server: RedisServer, store: redis.Redis) -> None:
    writer = ListWriter(RedisPipe(server.url))
    writer.write([("l", a_list(Version(1, 1)))], 60)
    writer.write([("for-ever", a_list(Version(1, 1)))], 0)
    assert 50 < store.ttl("l") <= 60
    assert store.ttl("for-ever") == -1
    assert writer.write([], 60) == Written(0, 0)
