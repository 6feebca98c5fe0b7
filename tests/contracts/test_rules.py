"""What rules that fired do to lists, with the model that ships and a real Redis."""

import json
import math
import time
from dataclasses import replace
from typing import Any

import pytest
import redis

from contracts.conftest import MakeListMaker
from contracts.list_makers import listed
from contracts.redis_server import RedisServer
from contracts.test_lists import NOW, an_update, ids, put_item, put_user
from freshet.models.artefact import Artefact
from freshet.models.profiles import Update
from freshet.schemas.avro import Decoder, Encoder, schema_text
from freshet.schemas.keys import Rules, TopN
from freshet.schemas.topics import RECOMMENDATIONS
from freshet.udfs import active_rules
from freshet.udfs.active_rules import ActiveRules
from freshet.udfs.redis_pipe import Packed, RedisPipe
from freshet.udfs.top_n import Intervention, ListedItem, Places, TopList
from freshet.udfs.triggers import Trigger
from freshet.udfs.versions import Version, Written

CLOCK = time.time_ns() // 1_000_000  # the server forgets by its own clock
HOUR_MS = 3_600_000  # long beside the time from here to the last test


def a_trigger(rule: str = "interest", action: str = "boost", *, since: int = CLOCK, **changes: Any) -> Trigger:
    """Return a trigger that acts for ten minutes from now."""
    trigger = Trigger(since, since + 10 * HOUR_MS, rule, action, None, None, None, None)
    return trigger._replace(**changes)


def fires(subject: str, trigger: Trigger) -> Update:
    return Update(subject, NOW, 0, "e-trigger", trigger)


@pytest.fixture(scope="module")
def shop() -> Artefact:
    return Artefact.load()


def category_of(shop: Artefact, item: str) -> str:
    category = shop.vocabulary.category(shop.vocabulary.index_of[item])
    assert category
    return category


# ---- What stands in Redis -------------------------------------------------------------------------------------------


def acting(server: RedisServer, subject: str, now: int = CLOCK) -> tuple[Trigger, ...]:
    pipe = RedisPipe(server.url)
    ((nobody, triggers),) = pipe.run_packed(ActiveRules(pipe).reading(["nobody", subject]))
    assert active_rules.acting(nobody, now) == ()
    return active_rules.acting(triggers, now)


def test_a_rule_acts_until_its_end(server: RedisServer, store: redis.Redis) -> None:
    trigger = a_trigger(category="TEA", factor=2.0)
    assert ActiveRules(RedisPipe(server.url)).write([("ann", trigger)]) == Written(1, 0)
    assert acting(server, "ann") == (trigger,)
    assert acting(server, "ann", now=trigger.until) == ()
    assert 0 < store.pttl(Rules("ann").encode()) <= 10 * HOUR_MS


@pytest.mark.parametrize(
    ("standing", "arriving", "wins"),
    [
        pytest.param(CLOCK, CLOCK, True, id="an equal one is a replay and is written again"),
        pytest.param(CLOCK, CLOCK + 1, True, id="one that fired later takes its place"),
        pytest.param(CLOCK + 1, CLOCK, False, id="one that fired earlier changes nothing"),
    ],
)
def test_of_one_rule_the_trigger_that_fired_last_stands(
    server: RedisServer, store: redis.Redis, standing: int, arriving: int, wins: bool
) -> None:
    rules = ActiveRules(RedisPipe(server.url))
    old, new = a_trigger(since=standing, category="TEA"), a_trigger(since=arriving, category="BREAD")
    rules.write([("ann", old)])
    assert rules.write([("ann", new)]) == Written(int(wins), int(not wins))
    assert acting(server, "ann") == ((new if wins else old),)


def test_a_user_has_several_rules_and_the_key_lives_as_long_as_the_longest(
    server: RedisServer, store: redis.Redis
) -> None:
    rules = ActiveRules(RedisPipe(server.url))
    short, long = (
        a_trigger("short", until=CLOCK + HOUR_MS),
        a_trigger("long", since=CLOCK + 1, until=CLOCK + 3 * HOUR_MS),
    )
    for order in ([short, long], [long, short]):
        store.flushall()
        rules.write([("ann", one) for one in order])
        assert acting(server, "ann") == (long, short)
        assert acting(server, "ann", now=CLOCK + HOUR_MS) == (long,)
        assert store.pttl(Rules("ann").encode()) > 2 * HOUR_MS


def test_a_trigger_from_long_ago_leaves_nothing(server: RedisServer, store: redis.Redis) -> None:
    """A replay of an old topic, say."""
    ActiveRules(RedisPipe(server.url)).write([("ann", a_trigger(since=CLOCK - 11 * HOUR_MS))])
    assert store.keys() == []


# ---- What it does to lists ------------------------------------------------------------------------------------------


def test_a_boost_adds_the_logarithm_of_its_factor_and_says_why(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact
) -> None:
    put_user(store, "ann", shop.vocabulary.items[:3])
    recommender = list_maker(length=1_000)
    (before,) = recommender.recommend([an_update("ann")])
    lowest = listed(before)[-1]
    assert lowest.score < 0, "a factor on the score itself would go unnoticed"
    boosted = category_of(shop, lowest.item_id)
    (after,) = recommender.recommend([fires("ann", a_trigger(category=boosted, factor=50.0))])
    assert set(ids(listed(after))) == set(ids(listed(before)))
    scores = {one.item_id: one.score for one in listed(before)}
    for one in listed(after):
        is_boosted = category_of(shop, one.item_id) == boosted
        expected = scores[one.item_id] + (math.log(50) if is_boosted else 0.0)
        assert one.score == pytest.approx(expected, abs=1e-4)
        assert (one.reason == f"you look at {boosted} a lot") == is_boosted
    assert ids(listed(after)).index(lowest.item_id) < len(listed(after)) - 1
    assert [one.score for one in listed(after)] == sorted((one.score for one in listed(after)), reverse=True)


def test_a_factor_below_one_damps_and_is_no_reason_for_anything(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact
) -> None:
    put_user(store, "ann", shop.vocabulary.items[:3])
    recommender = list_maker()
    (before,) = recommender.recommend([an_update("ann")])
    damped = category_of(shop, listed(before)[0].item_id)
    (after,) = recommender.recommend([fires("ann", a_trigger(category=damped, factor=0.0001))])
    assert damped not in {category_of(shop, one.item_id) for one in listed(after)}
    assert not [one for one in listed(after) if "you look at" in one.reason]


def test_a_recalled_category_is_among_the_candidates(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact
) -> None:
    put_user(store, "ann", shop.vocabulary.items[:3])
    recommender = list_maker(length=1_000)
    (before,) = recommender.recommend([an_update("ann")])
    shown = {category_of(shop, one.item_id) for one in listed(before)}
    rare = next(name for name in shop.vocabulary.categories if name not in shown)
    (after,) = recommender.recommend([fires("ann", a_trigger(action="recall", category=rare))])
    added = [one for one in listed(after) if one.source == "category"]
    assert added
    assert {category_of(shop, one.item_id) for one in added} == {rare}
    assert set(ids(added)).isdisjoint(ids(listed(before)))
    assert len(listed(after)) == len(listed(before))


def test_of_a_recalled_category_the_popular_items_come_and_never_more_than_their_share(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact
) -> None:
    vocabulary = shop.vocabulary
    sizes = [
        (int((vocabulary.item_category == number).sum()), number) for number in range(1, len(vocabulary.categories) + 1)
    ]
    size, number = max(sizes)
    members = [vocabulary.item(at) for at in range(1, len(vocabulary) + 1) if vocabulary.item_category[at] == number]
    assert size > 100
    put_item(store, members[-1], 0.001)  # more than nothing, so that it is the most popular of them
    put_user(store, "ann", vocabulary.items[:3])
    recall = a_trigger(action="recall", category=vocabulary.categories[number - 1])
    (made,) = list_maker(length=1_000).recommend([fires("ann", recall)])
    added = ids([one for one in listed(made) if one.source == "category"])
    assert 0 < len(added) <= 50
    assert members[-1] in ids(listed(made))


def test_an_intervention_stands_in_the_list_until_its_end(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact
) -> None:
    put_user(store, "ann", shop.vocabulary.items[:3])
    recommender = list_maker()
    trigger = a_trigger("cart_abandoned", "intervene", intervention="coupon", item_id="i1")
    (made,) = recommender.recommend([fires("ann", trigger)])
    assert made.intervention == Intervention("coupon", "cart_abandoned", "i1", trigger.until)
    stored = json.loads(store.get(TopN("home", "ann").encode()))
    assert stored["intervention"] == made.intervention._asdict()
    (next_one,) = recommender.recommend([an_update("ann", 2)])
    assert next_one.intervention == made.intervention


def test_of_several_interventions_the_latest_is_asked_for(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact
) -> None:
    put_user(store, "ann", shop.vocabulary.items[:3])
    first = a_trigger("a", "intervene", intervention="coupon")
    second = a_trigger("b", "intervene", since=CLOCK + 1, intervention="help")
    (made,) = list_maker().recommend([fires("ann", second), fires("ann", first)])
    assert made.intervention
    assert made.intervention.name == "help"


def test_a_rule_that_is_over_does_nothing_more(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact
) -> None:
    put_user(store, "ann", shop.vocabulary.items[:3])
    recommender = list_maker()
    (before,) = recommender.recommend([an_update("ann")])
    trigger = a_trigger(action="boost", category=category_of(shop, listed(before)[-1].item_id), factor=50.0)
    (boosted,) = recommender.recommend([fires("ann", trigger)])
    recommender._now_ms = lambda: trigger.until
    (after,) = recommender.recommend([an_update("ann")])
    assert listed(boosted) != listed(before)
    assert listed(after) == listed(before)


def test_a_rule_acts_for_its_user_alone(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact
) -> None:
    for subject in ("ann", "bob"):
        put_user(store, subject, shop.vocabulary.items[:3])
    recommender = list_maker()
    (before,) = recommender.recommend([an_update("bob")])
    trigger = a_trigger(category=category_of(shop, listed(before)[-1].item_id), factor=50.0)
    ann, bob = recommender.recommend([fires("ann", trigger), an_update("bob")])
    assert listed(bob) == listed(before)
    assert listed(ann) != listed(before)


def test_a_category_that_the_model_does_not_know_changes_nothing(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact
) -> None:
    put_user(store, "ann", shop.vocabulary.items[:3])
    recommender = list_maker()
    (before,) = recommender.recommend([an_update("ann")])
    unknown = [
        a_trigger("a", category="?", factor=9.0),
        a_trigger("b", "recall", category="?"),
        a_trigger("c", "recall"),
    ]
    (after,) = recommender.recommend([fires("ann", one) for one in unknown])
    assert listed(after) == listed(before)


def test_a_trigger_of_a_user_whom_the_store_does_not_know_makes_the_oldest_list_of_its_time(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis
) -> None:
    (made,) = list_maker().recommend([fires("new", a_trigger(category="TEA", factor=2.0))])
    assert str(made.version) == f"{NOW}-0"


def test_without_rules_a_list_costs_no_round_trip_more(
    list_maker: MakeListMaker, server: RedisServer, store: redis.Redis, shop: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_user(store, "ann", shop.vocabulary.items[:3])
    recommender = list_maker()
    fired = fires("ann", a_trigger(category="TEA", factor=2.0))
    recommender.recommend([fired])  # and the server knows all scripts
    pipe, trips = recommender._rules._pipe, list[int]()
    send = pipe._sent

    def counted(commands: Packed) -> list[Any]:
        trips.append(commands.answers)
        return send(commands)

    monkeypatch.setattr(pipe, "_sent", counted)
    recommender.recommend([an_update("ann", 2)])
    assert trips == [2], "features and rules travel together, and there are no affinities to read"
    recommender.recommend([fired])
    assert trips[1:] == [1, 2]


def test_the_record_of_a_list_fits_its_schema_with_and_without_an_intervention() -> None:
    encode = Encoder(RECOMMENDATIONS, 7)
    decode = Decoder(RECOMMENDATIONS, {7: schema_text(RECOMMENDATIONS)}.__getitem__)
    items = Places.of([ListedItem("i", 1.0, "category", "why")])
    plain = TopList("home", "ann", items, "m/1", "full-cpu", Version(NOW, 1), NOW, "e")
    asked = replace(plain, intervention=Intervention("coupon", "r", None, NOW))
    assert [decode(encode(one.record()))["intervention"] for one in (plain, asked)] == [
        None,
        {"name": "coupon", "rule": "r", "item_id": None, "until": NOW},
    ]
