"""A batch of commands is answered as a whole or fails as a whole, and the next one finds a connection."""

import doctest

import pytest
import redis

from contracts.redis_server import RedisServer
from freshet.udfs import redis_pipe
from freshet.udfs.redis_pipe import READ_BYTES, RedisPipe, for_each


@pytest.fixture
def pipe(server: RedisServer, store: redis.Redis) -> RedisPipe:
    store.set("there", "yes")
    return RedisPipe(server.url, timeout_s=0.3)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(redis_pipe).failed == 0


def test_answers_come_in_the_order_of_their_commands(pipe: RedisPipe, store: redis.Redis) -> None:
    long = b"x" * (3 * READ_BYTES)
    store.set("long", long)
    store.hset("hash", mapping={"a": 1, "b": 2})
    first, second = pipe.run_packed(
        for_each([b"GET"], [b"long", b"missing", b"there"]), for_each([b"HMGET"], [b"hash", b"missing"], [b"b", b"c"])
    )
    assert first == [long, None, b"yes"]
    assert second == [[b"2", None], [None, None]]
    assert pipe.run_packed(for_each([b"GET"], [])) == [[]]


def test_a_command_that_is_refused_fails_the_batch_and_no_other(pipe: RedisPipe) -> None:
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        pipe.run([("GET", "there"), ("LPUSH", "there", 1), ("GET", "there")])
    assert pipe.run([("GET", "there")]) == [b"yes"]


def test_a_late_answer_is_not_taken_for_that_of_another_command(pipe: RedisPipe) -> None:
    with pytest.raises(redis.TimeoutError):
        pipe.run([("BLPOP", "nothing", 0.6)])
    assert pipe.run([("GET", "there")]) == [b"yes"]


def test_a_connection_that_the_server_closes_is_an_error_once(pipe: RedisPipe, store: redis.Redis) -> None:
    assert pipe.run([("GET", "there")]) == [b"yes"]
    store.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(redis.ConnectionError):
        pipe.run([("GET", "there")])
    assert pipe.run([("GET", "there")]) == [b"yes"]


def test_a_script_that_the_server_does_not_know_is_told_to_it(pipe: RedisPipe, store: redis.Redis) -> None:
    script = redis_pipe.Script("return redis.call('GET', KEYS[1])")
    for _ in range(2):
        assert pipe.run_for_each(script, [b"there", b"missing"], [b"argument"]) == [b"yes", None]
        assert pipe.run_script(script, [([b"there"], []), ([b"missing"], [])]) == [b"yes", None]
        store.script_flush()
