"""The features job's own half of the write path: events in, values in a real Redis, then the announcements."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import redis

from builders import NOON, Record, hours, minutes, the_shops_views
from contracts.redis_server import RedisServer
from freshet.schemas.avro import Decoder, schema_text
from freshet.schemas.topics import FEATURE_UPDATES, INTERACTIONS, INTERACTIONS_REJECTED
from freshet.udfs.engine_spec import EngineConfig, engine_spec
from freshet.udfs.feast_layout import EntityKeys
from freshet.udfs.read_features import FeatureReader
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.rejections import TOO_LATE
from freshet.udfs.view_sql import EVENT_COLUMNS, brought_query, unique_events

pytestmark = pytest.mark.flink

SCHEMA_ID = 77
VIEWS = the_shops_views


def some_events(count: int, users: int = 7, seed: int = 3) -> list[Record]:
    """Return events of a few users within some minutes, in no order; some have no item."""
    chance = random.Random(seed)
    return [
        dict.fromkeys(EVENT_COLUMNS)
        | {
            "event_id": f"e-{number}",
            "subject": f"u{chance.randrange(users)}",
            "item_id": f"i{chance.randrange(9)}" if number % 5 else None,
            "category": f"c{chance.randrange(3)}" if number % 5 and number % 3 else None,
            "event_type": chance.choice(("view", "click", "purchase")),
            "event_time": NOON + chance.randrange(minutes(4)),
            "source_partition": 0,
            "source_offset": number,
        }
        for number in range(count)
    ]


def announced(flink: Callable[..., Any], jvm: Any, url: str, events: list[Record], **options: str) -> list[Record]:
    """Run the job's keyed half over the events and return what it announces."""
    local = the_job(flink, jvm, url, events, **options)
    rows = local.rows("SELECT subject, payload FROM announced")
    records = read(FEATURE_UPDATES, [payload for _, payload in rows])
    assert [subject for subject, _ in rows] == [record["subject"] for record in records]
    return records


def told_too_late(flink: Callable[..., Any], jvm: Any, url: str, events: list[Record]) -> list[Record]:
    """Run the job's keyed half over the events, in this order, and return what it says of those that came too late."""
    local = the_job(flink, jvm, url, in_one_file(events), **{"parallelism.default": "1"})
    return read(INTERACTIONS_REJECTED, [payload for (payload,) in local.rows("SELECT payload FROM too_late")])


def in_one_file(events: list[Record]) -> list[Record]:
    """Put events of others between these, so that they keep their order: two files are written in turn."""
    return [event for pair in zip(events, some_events(len(events), users=1), strict=True) for event in pair]


def read(topic: str, payloads: list[Any]) -> list[Record]:
    decode = Decoder(topic, {SCHEMA_ID: schema_text(topic)}.__getitem__)
    return [decode(bytes(payload)) for payload in payloads]


def the_job(flink: Callable[..., Any], jvm: Any, url: str, events: list[Record], **options: str) -> Any:
    """Return the job's keyed half over the events, which come from two files in turn, as the views announced and too_late."""
    from pyflink.table import Table

    local = flink({"parallelism.default": "2"} | options)
    local.table("arrived", EVENT_COLUMNS, [[event[name] for name in EVENT_COLUMNS] for event in events])
    local.view("events", "SELECT *, PROCTIME() AS pt FROM arrived")
    local.view("unique_events", unique_events("events"))
    brought = local.env.sql_query(brought_query(VIEWS(), "unique_events"))
    spec = engine_spec(VIEWS(), EngineConfig(url, "shop", SCHEMA_ID, SCHEMA_ID, 0))
    tables = jvm.freshet.features.FeatureJob.attach(local.env._j_tenv, brought._j_table, spec)
    for name, table in zip(("announced", "too_late"), tables, strict=True):
        local.env.create_temporary_view(name, Table(table, local.env))
    return local


def test_every_event_is_announced_once_with_what_it_was(
    flink: Callable[..., Any], jvm: Any, server: RedisServer, store: redis.Redis
) -> None:
    events = some_events(400)
    found = announced(flink, jvm, server.url, [*events, *events[:50]])
    assert Counter(record["event_id"] for record in found) == Counter(event["event_id"] for event in events)
    happened = {event["event_id"]: event for event in events}
    for record in found:
        event = happened[record["event_id"]]
        assert {name: record[name] for name in ("subject", "event_type", "event_time", "item_id", "category")} == {
            name: event[name] for name in ("subject", "event_type", "event_time", "item_id", "category")
        }
        assert record["views"] == [view.name for view in VIEWS()]
        assert record["as_of"] >= record["event_time"]


def test_the_store_ends_with_all_events_of_each_entity(
    flink: Callable[..., Any], jvm: Any, server: RedisServer, store: redis.Redis
) -> None:
    events = some_events(400)
    announced(flink, jvm, server.url, events)
    for view in VIEWS():
        counts = Counter(tuple(event[key] for key in view.keys) for event in events)
        entities = [key for key in counts if None not in key]
        names = [feature.name for feature in view.features]
        readings = FeatureReader(RedisPipe(server.url), "shop", view.name, view.keys, names).read(entities)
        for entity, reading in zip(entities, readings, strict=True):
            assert reading.version == f"{reading.as_of}-{counts[entity]}", (view.name, entity)
            assert 0 < store.ttl(EntityKeys("shop", view.keys)(entity)) <= view.ttl_seconds


def test_a_subjects_announcements_count_its_events(flink: Callable[..., Any], jvm: Any, server: RedisServer) -> None:
    events = some_events(200, users=2)
    found = announced(flink, jvm, server.url, events)
    versions = [(record["subject"], record["version"]) for record in found]
    assert sorted(versions) == sorted(
        (subject, number)
        for subject, count in Counter(event["subject"] for event in events).items()
        for number in range(1, count + 1)
    )


def test_what_stands_there_and_is_newer_stays(
    flink: Callable[..., Any], jvm: Any, server: RedisServer, store: redis.Redis
) -> None:
    """And the events are announced all the same: who waits for them may read what is newer."""
    key = EntityKeys("shop", ["subject"])(["u0"])
    store.hset(key, "_v:user_activity", "9999999999999-1")
    events = some_events(60, users=1)
    assert len(announced(flink, jvm, server.url, events)) == 60
    assert store.hgetall(key) == {b"_v:user_activity": b"9999999999999-1"}


def a_view_at(time: int, offset: int, **changes: Any) -> Record:
    event = dict.fromkeys(EVENT_COLUMNS) | {"event_id": f"v-{offset}", "subject": "late", "event_type": "view"}
    return event | {"event_time": time, "source_partition": 3, "source_offset": offset} | changes


SESSION_FEATURES = [
    one.name for view in the_shops_views() for one in view.features if one.function.startswith("session")
]


def test_an_event_too_late_for_sessions_is_told_with_the_place_of_its_bytes(
    flink: Callable[..., Any], jvm: Any, server: RedisServer
) -> None:
    """Their gap is 30 minutes, 48 of them a day."""
    events = [a_view_at(NOON, 1), a_view_at(NOON - hours(24), 2), a_view_at(NOON - hours(24) - 1, 3)]
    [told] = told_too_late(flink, jvm, server.url, events)
    detail = told.pop("detail")
    assert told == {
        "reason": TOO_LATE,
        "key": b"late",
        "payload": None,
        "topic": INTERACTIONS,
        "partition": 3,
        "offset": 3,
        "record_time": NOON - hours(24) - 1,
    }
    assert detail.startswith("user_activity: ")
    assert all(name in detail for name in SESSION_FEATURES)


def test_an_event_too_late_for_sessions_counts_in_all_other_features(
    flink: Callable[..., Any], jvm: Any, server: RedisServer, store: redis.Redis
) -> None:
    events = [a_view_at(NOON, 1), a_view_at(NOON - hours(30), 2, item_id="i-late")]
    announced(flink, jvm, server.url, in_one_file(events), **{"parallelism.default": "1"})
    [reading] = FeatureReader(RedisPipe(server.url), "shop", "user_activity", ["subject"], ["user_items_last_20"]).read(
        [("late",)]
    )
    assert reading.values == (["i-late"],)
    assert (reading.version or "").endswith("-2")


def test_a_store_that_is_not_there_fails_the_job(flink: Callable[..., Any], jvm: Any, server: RedisServer) -> None:
    options = {"restart-strategy.type": "none"}
    with pytest.raises(Exception, match="Job execution failed"):
        announced(flink, jvm, "redis://127.0.0.1:1", some_events(5), **options)


def test_a_store_that_refuses_a_write_fails_the_job(
    flink: Callable[..., Any], jvm: Any, server: RedisServer, store: redis.Redis
) -> None:
    store.set(EntityKeys("shop", ["subject"])(["u0"]), "a value that is no hash")
    with pytest.raises(Exception, match="Job execution failed"):
        announced(flink, jvm, server.url, some_events(50, users=1), **{"restart-strategy.type": "none"})
