"""The write path on a real Redis: the newest version wins, whole, whoever writes and whatever fails."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.redis_server import RedisServer
from contracts.writer import ENTITIES_A_CALL, Values, ViewWriter, newest
from freshet.udfs.feast_layout import (
    EntityKeys,
    double,
    field_name,
    int64,
    string,
    string_list,
    timestamp,
    timestamp_field,
    version_field,
)
from freshet.udfs.redis_pipe import RedisPipe, Script
from freshet.udfs.versions import Version, Written
from freshet.udfs.views import Aggregation, View

VIEW = View(
    "user_activity",
    ("subject",),
    (
        Aggregation("user_events_count_1h", "count", "event_id", "Int64"),
        Aggregation("user_spend_sum_24h", "sum", "value", "Float64"),
        Aggregation("user_items_last_20", "last_n", "item_id", "Array(String)"),
    ),
    ttl_seconds=60,
)
OTHER_VIEW = View("user_mood", ("subject",), (Aggregation("user_mood_last", "last_n", "item_id", "String"),), 60)
TTL = 3_600


def a_writer(server: RedisServer, view: View = VIEW, ttl: int = TTL, timeout_s: float = 5.0) -> ViewWriter:
    return ViewWriter(view, "freshet", ttl, RedisPipe(server.url, timeout_s))


def values(subject: str, as_of: int, sequence: int) -> Values:
    """Return values that tell which version they are of, each by itself."""
    text = f"{as_of}-{sequence}"
    features = [int64(as_of * 1_000 + sequence), double(as_of + sequence / 1_000), string_list([text, text])]
    return Values((subject,), Version(as_of, sequence), features)


def key_of(subject: str) -> bytes:
    return EntityKeys("freshet", ["subject"])([subject])


def written(of: Values) -> dict[bytes, bytes]:
    """Return the hash that holds exactly these values."""
    names = [field_name(VIEW.name, feature.name) for feature in VIEW.features]
    return dict(zip(names, of.features, strict=True)) | {
        timestamp_field(VIEW.name): timestamp(of.version.as_of),
        version_field(VIEW.name): str(of.version).encode(),
    }


# ---- One writer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "arriving", "wins"),
    [
        pytest.param((10, 1), (10, 1), True, id="an equal version is a replay and is written again"),
        pytest.param((10, 1), (10, 2), True, id="more events at one time are newer"),
        pytest.param((10, 2), (10, 1), False, id="fewer events at one time are older"),
        pytest.param((10, 9), (11, 1), True, id="the time counts first"),
        pytest.param((11, 1), (10, 9), False, id="the time counts first, the other way too"),
        pytest.param((9, 1), (10, 1), True, id="times are compared as numbers"),
        pytest.param((10, 9), (10, 10), True, id="sequences are compared as numbers"),
        pytest.param((10, 10), (10, 9), False, id="sequences are compared as numbers, the other way too"),
        pytest.param((-5, 3), (-4, 1), True, id="times before 1970 have an order too"),
        pytest.param((-4, 1), (-5, 3), False, id="times before 1970 have an order too, the other way too"),
        pytest.param((-1, 1), (1, 1), True, id="time passes 1970"),
        pytest.param((2**53 - 2, 1), (2**53 - 1, 1), True, id="the latest times that a double tells apart"),
        pytest.param((10, 2**53 - 1), (10, 2**53 - 2), False, id="the longest sequences that a double tells apart"),
    ],
)
def test_the_newer_version_stands(
    server: RedisServer, store: redis.Redis, standing: tuple[int, int], arriving: tuple[int, int], wins: bool
) -> None:
    writer = a_writer(server)
    assert writer.write([values("u1", *standing)]) == Written(accepted=1, refused=0)
    other = Values(("u1",), Version(*arriving), [int64(-7), double(-7.5), string_list([])])
    assert writer.write([other]) == Written(accepted=int(wins), refused=int(not wins))
    assert store.hgetall(key_of("u1")) == written(other if wins else values("u1", *standing))


def test_a_batch_counts_what_it_wrote_and_what_it_did_not(server: RedisServer) -> None:
    writer = a_writer(server)
    writer.write([values("u1", 10, 1), values("u2", 10, 1)])
    assert writer.write([values("u1", 9, 1), values("u2", 11, 1), values("u3", 1, 1)]) == Written(2, 1)


def test_nothing_to_write_is_nothing_written(server: RedisServer, store: redis.Redis) -> None:
    assert a_writer(server).write([]) == Written(0, 0)
    assert store.dbsize() == 0


def test_a_batch_larger_than_a_call_is_written_whole(server: RedisServer, store: redis.Redis) -> None:
    batch = [values(f"u{number}", 10, number) for number in range(2 * ENTITIES_A_CALL + 1)]
    assert a_writer(server).write(batch) == Written(len(batch), 0)
    for one in batch:
        assert store.hgetall(key_of(*one.key)) == written(one)


def test_views_of_one_entity_have_versions_of_their_own(server: RedisServer, store: redis.Redis) -> None:
    mood = Values(("u1",), Version(5, 1), [string("calm")])
    a_writer(server).write([values("u1", 10, 1)])
    assert a_writer(server, OTHER_VIEW).write([mood]) == Written(1, 0)
    assert written(values("u1", 10, 1)).items() <= store.hgetall(key_of("u1")).items()
    assert store.hget(key_of("u1"), version_field(OTHER_VIEW.name)) == b"5-1"


def test_a_write_renews_the_lifetime_and_a_refusal_does_not(server: RedisServer, store: redis.Redis) -> None:
    writer = a_writer(server)
    writer.write([values("u1", 10, 1)])
    assert 0 < store.ttl(key_of("u1")) <= TTL
    store.expire(key_of("u1"), 5)
    writer.write([values("u1", 9, 1)])
    assert store.ttl(key_of("u1")) <= 5
    writer.write([values("u1", 11, 1)])
    assert store.ttl(key_of("u1")) > 5


def test_a_lifetime_of_zero_is_for_ever(server: RedisServer, store: redis.Redis) -> None:
    a_writer(server, ttl=0).write([values("u1", 10, 1)])
    assert store.ttl(key_of("u1")) == -1


VERSIONS = st.tuples(st.sampled_from(("u1", "u2", "u3")), st.integers(-2, 4), st.integers(1, 3))
BATCHES = st.lists(st.lists(VERSIONS, max_size=6), max_size=8)

on_one_server = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@on_one_server
@given(batches=BATCHES)
def test_any_batches_in_any_order_end_with_the_newest_of_each_entity(
    server: RedisServer, store: redis.Redis, batches: list[list[tuple[str, int, int]]]
) -> None:
    store.flushall()
    writer, model = a_writer(server), dict[str, Version]()
    for batch in batches:
        report = writer.write(values(*one) for one in batch)
        latest = {subject: max(Version(*rest) for who, *rest in batch if who == subject) for subject, *_ in batch}
        fresh = {subject: new for subject, new in latest.items() if new >= model.get(subject, new)}
        model |= fresh
        assert report == Written(len(fresh), len(latest) - len(fresh))
        for subject, version in model.items():
            assert store.hgetall(key_of(subject)) == written(values(subject, *version))
    assert store.dbsize() == len(model)


@given(st.lists(VERSIONS))
def test_the_newest_of_a_batch_are_one_for_each_entity(batch: list[tuple[str, int, int]]) -> None:
    kept = newest(values(*one) for one in batch)
    assert sorted(one.key for one in kept) == sorted({(subject,) for subject, *_ in batch})
    for one in kept:
        assert one.version == max(Version(*rest) for subject, *rest in batch if subject == one.key[0])


def test_of_equal_versions_in_a_batch_the_later_stands(server: RedisServer, store: redis.Redis) -> None:
    first, second = (
        values("u1", 10, 1),
        Values(("u1",), Version(10, 1), [int64(1), double(1.0), string_list(["later"])]),
    )
    a_writer(server).write([first, second])
    assert store.hgetall(key_of("u1")) == written(second)


# ---- Several writers ------------------------------------------------------------------------------------------------


def test_writers_side_by_side_never_go_back_and_readers_see_whole_values(
    server: RedisServer, store: redis.Redis
) -> None:
    """A writer that was thought dead goes on beside its successor, both in an order of their own."""
    subjects = ("u1", "u2")
    all_of_them = [
        values(subject, as_of, sequence) for subject in subjects for as_of in range(40) for sequence in range(1, 6)
    ]
    seen: dict[str, list[dict[bytes, bytes]]] = {subject: [] for subject in subjects}
    done = threading.Event()

    def write(seed: int) -> None:
        mine = random.Random(seed).sample(all_of_them, k=len(all_of_them))
        writer = a_writer(server)
        for at in range(0, len(mine), 3):
            writer.write(mine[at : at + 3])

    def read() -> None:
        with redis.Redis.from_url(server.url) as client:
            while not done.is_set():
                for subject in subjects:
                    seen[subject].append(client.hgetall(key_of(subject)))

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    for subject in subjects:
        assert store.hgetall(key_of(subject)) == written(values(subject, 39, 5))
        versions = [version_in(found) for found in seen[subject] if found]
        assert all(found == written(values(subject, *version_in(found))) for found in seen[subject] if found)
        assert all(before <= after for before, after in pairwise(versions))
        assert len(set(versions)) > 1, "the reader saw nothing change"


def version_in(found: dict[bytes, bytes]) -> Version:
    as_of, _, sequence = found[version_field(VIEW.name)].decode().rpartition("-")
    return Version(int(as_of), int(sequence))


# ---- Replays: what a crash does to a writer -------------------------------------------------------------------------


@dataclass(frozen=True)
class Crash:
    """Events are written one after the other up to `at`; then everything from the checkpoint on comes again."""

    checkpoint: int
    at: int


def as_written(events: int, crashes: Sequence[Crash]) -> Iterator[int]:
    """Yield the events 1, 2, ... in the order in which a job that crashes writes them."""
    start = 1
    for crash in crashes:
        yield from range(start, crash.at + 1)
        start = crash.checkpoint + 1
    yield from range(start, events + 1)


EVENTS = 12
CRASHES = st.lists(
    st.integers(1, EVENTS).flatmap(lambda at: st.builds(Crash, st.integers(0, at - 1), st.just(at))),
    min_size=1,
    max_size=3,
)


def our_count(server: RedisServer, store: redis.Redis, order: Iterator[int]) -> int:
    """Write the count after each event with its version, and return what stands at the end."""
    writer = a_writer(server)
    for event in order:
        writer.write([Values(("u1",), Version(event, event), [int64(event), double(0.0), string_list([])])])
    value: Any = store.hget(key_of("u1"), field_name(VIEW.name, "user_events_count_1h"))
    return next(count for count in range(EVENTS + 1) if int64(count) == value)


def count_by_increment(server: RedisServer, store: redis.Redis, order: Iterator[int]) -> int:
    """Do what many sinks do: add one to what stands there."""
    for _ in order:
        store.hincrby("u1", "count", 1)
    return int(store.hget("u1", "count") or 0)


@on_one_server
@given(crashes=CRASHES)
def test_a_replay_changes_nothing(server: RedisServer, store: redis.Redis, crashes: list[Crash]) -> None:
    store.flushall()
    assert our_count(server, store, as_written(EVENTS, crashes)) == EVENTS


@on_one_server
@given(crashes=CRASHES)
def test_the_same_test_catches_a_writer_that_increments(
    server: RedisServer, store: redis.Redis, crashes: list[Crash]
) -> None:
    store.flushall()
    assert count_by_increment(server, store, as_written(EVENTS, [])) == EVENTS
    store.flushall()
    assert count_by_increment(server, store, as_written(EVENTS, crashes)) > EVENTS


# ---- What fails -----------------------------------------------------------------------------------------------------


def test_a_server_that_forgot_its_scripts_is_given_ours_again(server: RedisServer, store: redis.Redis) -> None:
    writer = a_writer(server)
    writer.write([values("u1", 10, 1)])
    store.script_flush()
    batch = [values(f"u{number}", 11, 1) for number in range(ENTITIES_A_CALL + 1)]
    assert writer.write(batch) == Written(len(batch), 0)
    assert store.hgetall(key_of("u1")) == written(values("u1", 11, 1))


def test_a_dead_server_raises_and_the_same_batch_is_written_once_it_is_back(
    server: RedisServer, store: redis.Redis
) -> None:
    writer, batch = a_writer(server), [values("u1", 10, 1)]
    writer.write(batch)
    server.kill()
    try:
        for _ in range(2):
            with pytest.raises(redis.RedisError):
                writer.write(batch)
    finally:
        server.start()
    assert writer.write(batch) == Written(1, 0)
    assert store.hgetall(key_of("u1")) == written(batch[0])


def test_a_lost_connection_raises_once(server: RedisServer, store: redis.Redis) -> None:
    pipe = RedisPipe(server.url)
    [identity] = pipe.run([("CLIENT", "ID")])
    store.client_kill_filter(_id=identity)
    with pytest.raises(redis.RedisError):
        pipe.run([("ECHO", "lost")])
    assert pipe.run([("ECHO", "found")]) == [b"found"]


def test_a_late_answer_is_never_taken_for_another_commands(server: RedisServer) -> None:
    pipe = RedisPipe(server.url, timeout_s=0.1)
    pipe.run([("PING",)])
    server.freeze()
    try:
        with pytest.raises(redis.TimeoutError):
            pipe.run([("ECHO", "late")])
    finally:
        server.thaw()
    assert retried(lambda: pipe.run([("ECHO", "in time")])) == [b"in time"]


def retried(call: Callable[[], list[Any]]) -> list[Any]:
    """Return what the call gives once the server has caught up."""
    for _ in range(50):
        try:
            return call()
        except redis.TimeoutError:
            continue
    return call()


def test_a_refused_command_does_not_shift_the_others_answers(server: RedisServer, store: redis.Redis) -> None:
    pipe = RedisPipe(server.url)
    with pytest.raises(redis.ResponseError, match="not an integer"):
        pipe.run([("SET", "text", "a"), ("INCR", "text"), ("SET", "after", "b"), ("ECHO", "c")])
    assert store.get("after") == b"b"
    assert pipe.run([("GET", "text"), ("ECHO", "d")]) == [b"a", b"d"]


def test_the_first_refusal_is_the_one_that_is_raised(server: RedisServer) -> None:
    with pytest.raises(redis.ResponseError, match="not an integer"):
        RedisPipe(server.url).run([("SET", "text", "a"), ("INCR", "text"), ("LPUSH", "text", "b")])


def test_a_server_without_memory_raises_and_takes_the_same_batch_later(server: RedisServer, store: redis.Redis) -> None:
    writer, batch = a_writer(server), [values(f"u{number}", 10, 1) for number in range(100)]
    store.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError, match="maxmemory"):
            writer.write(batch)
    finally:
        store.config_set("maxmemory", 0)
    assert writer.write(batch) == Written(len(batch), 0)


def test_a_hash_that_is_none_is_told(server: RedisServer, store: redis.Redis) -> None:
    store.set(key_of("u1"), "not ours")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        a_writer(server).write([values("u1", 10, 1)])


def test_answers_come_in_the_order_of_the_commands_however_many(server: RedisServer) -> None:
    commands = [("ECHO", str(number) * 200) for number in range(5_000)]
    assert RedisPipe(server.url).run(commands) == [text.encode() for _, text in commands]


def test_no_commands_have_no_answers(server: RedisServer) -> None:
    pipe = RedisPipe(server.url)
    assert pipe.run([]) == []
    assert pipe.run_script(Script("return 1"), []) == []


def test_a_closed_pipe_opens_again(server: RedisServer) -> None:
    pipe = RedisPipe(server.url)
    pipe.run([("PING",)])
    pipe.close()
    assert pipe.run([("ECHO", "again")]) == [b"again"]
