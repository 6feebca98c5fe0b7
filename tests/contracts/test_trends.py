"""Trends in a real Redis: what may be written over what, and that a reader finds exactly what has changed."""

import json
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import redis

from contracts.redis_server import RedisServer
from freshet.models.sources.fed_sessions import SessionFeed
from freshet.models.sources.sessions import LearntSessions, SessionNeighbours
from freshet.models.user_state import UserState
from freshet.schemas.keys import TrendRow, TrendSet
from freshet.udfs.redis_pipe import RedisPipe, Script
from freshet.udfs.trend_reader import (
    Row,
    RowMatrix,
    RowsFeed,
    Session,
    read_first_seen,
    read_rows,
    read_sessions,
)

WRITE = Script(files("freshet.udfs").joinpath("write_trends.lua").read_text("utf-8"))
HOUR_MS = 3_600_000
ITEMS = {f"item-{number}": number for number in range(1, 10)}


@pytest.fixture
def pipe(server: RedisServer) -> Iterator[RedisPipe]:
    """A connection to the server, which is empty."""
    connection = RedisPipe(server.url)
    yield connection
    connection.close()


def a_row(as_of: int, count: int = 1, ids: Sequence[str] = ("item-2",), size: float = 1.0) -> tuple[int, int, str]:
    counts = [size / (at + 1) for at in range(len(ids))]
    row = {"version": f"{as_of}-{count}", "totals": [2 * size], "ids": list(ids), "counts": [counts]}
    return as_of, count, json.dumps(row, separators=(",", ":"))


def writes(pipe: RedisPipe, key: str, row: tuple[int, int, str], *, name: str = "followers", ttl: int = 60) -> int:
    as_of, count, value = row
    places = [TrendSet(name).encode().encode(), TrendRow(name, key).encode().encode()]
    answer: list[list[int]] = pipe.run_script(WRITE, [(places, [ttl, key, as_of, "row", count, value])])
    return answer[0][0]


def adds(pipe: RedisPipe, member: str, score: int, *, name: str, capacity: int = 3) -> int:
    places = [TrendSet(name).encode().encode()]
    answer: list[list[int]] = pipe.run_script(WRITE, [(places, [60, member, score, "member", capacity])])
    return answer[0][0]


@pytest.mark.parametrize(
    ("standing", "arriving", "wins"),
    [
        pytest.param((7, 2), (7, 2), 1, id="an equal version is a replay and is written again"),
        pytest.param((7, 2), (7, 3), 1, id="more events of one instant take its place"),
        pytest.param((7, 2), (8, 1), 1, id="a newer event takes its place"),
        pytest.param((9, 1), (10, 1), 1, id="versions are ordered as numbers"),
        pytest.param((7, 2), (7, 1), 0, id="fewer events change nothing"),
        pytest.param((7, 2), (6, 9), 0, id="an older event changes nothing"),
    ],
)
def test_a_row_is_never_followed_by_an_older_one(
    pipe: RedisPipe, standing: tuple[int, int], arriving: tuple[int, int], wins: int
) -> None:
    old, new = a_row(*standing, size=1.0), a_row(*arriving, size=5.0)
    assert writes(pipe, "item-1", old) == 1
    assert writes(pipe, "item-1", new) == wins
    (found,) = read_rows(pipe, "followers", ["item-1"])
    assert found == Row(
        *((arriving[0], [10.0], ["item-2"], [[5.0]]) if wins else (standing[0], [2.0], ["item-2"], [[1.0]]))
    )


def test_rows_that_are_not_there_are_none_and_any_text_is_a_key(pipe: RedisPipe) -> None:
    for key in ('ж "%', "category:tea", "{a}"):
        writes(pipe, key, a_row(1))
    found = read_rows(pipe, "followers", ['ж "%', "nothing", "category:tea", "{a}"])
    assert [row is not None for row in found] == [True, False, True, True]
    assert read_rows(pipe, "followers", []) == []


def test_rows_live_as_long_as_they_are_told(pipe: RedisPipe, store: redis.Redis) -> None:
    writes(pipe, "a", a_row(1), ttl=60)
    writes(pipe, "b", a_row(1), name="other", ttl=0)
    assert 0 < store.ttl("trend:followers:a") <= 60
    assert store.ttl("trend:other:b") == -1


def test_a_set_keeps_the_newest_members_and_a_replay_changes_nothing(pipe: RedisPipe) -> None:
    for score in (1, 2, 3, 4):
        assert adds(pipe, json.dumps({"end": score, "items": ["a"]}), score, name="sessions") == 1
    assert adds(pipe, json.dumps({"end": 4, "items": ["a"]}), 4, name="sessions") == 0
    assert read_sessions(pipe, "sessions") == [Session(score, ["a"]) for score in (2, 3, 4)]
    assert read_sessions(pipe, "sessions", since_ms=4) == [Session(4, ["a"])]


def test_of_two_first_times_the_earlier_stands(pipe: RedisPipe) -> None:
    for item, score in (("a", 5), ("b", 6), ("a", 4), ("a", 7)):
        adds(pipe, item, score, name="fresh")
    assert read_first_seen(pipe, "fresh", 10) == [("b", 6), ("a", 4)]


# ---- The feed -------------------------------------------------------------------------------------------------------


def a_feed(pipe: RedisPipe, width: int = 3) -> tuple[RowsFeed, RowMatrix]:
    matrix = RowMatrix(len(ITEMS), width, (float(HOUR_MS),))
    return RowsFeed(pipe, "followers", ITEMS, ITEMS, matrix), matrix


def members(matrix: RowMatrix, item: str, now: int = 0) -> dict[int, float]:
    ids, counts = matrix.rows(np.array([ITEMS[item]]), now)
    return {one: count for one, count in zip(ids[0].tolist(), counts[0].tolist(), strict=True) if one}


def test_the_feed_begins_with_all_rows_and_a_look_costs_what_has_changed(pipe: RedisPipe) -> None:
    for item in ITEMS:
        writes(pipe, item, a_row(1))
    feed, matrix = a_feed(pipe)
    assert members(matrix, "item-9") == {2: 1.0}
    assert feed.look() == 0
    writes(pipe, "item-9", a_row(2, ids=("item-3", "item-4")))
    writes(pipe, "item-1", a_row(2))
    assert feed.look() == 2
    assert members(matrix, "item-9") == {3: 1.0, 4: 0.5}


def test_a_refused_row_is_no_change(pipe: RedisPipe) -> None:
    writes(pipe, "item-1", a_row(2))
    feed, _ = a_feed(pipe)
    writes(pipe, "item-1", a_row(1))
    assert feed.look() == 0


def test_more_rows_than_fit_a_reading_are_read(pipe: RedisPipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freshet.udfs.trend_reader.SLICE", 2)
    for item in ITEMS:
        writes(pipe, item, a_row(1))
    _, matrix = a_feed(pipe)
    assert all(members(matrix, item) for item in ITEMS)


def test_counts_are_told_as_of_the_instant_that_is_asked_for(pipe: RedisPipe) -> None:
    writes(pipe, "item-1", a_row(HOUR_MS, size=8.0))
    _, matrix = a_feed(pipe)
    assert members(matrix, "item-1", now=3 * HOUR_MS) == {2: 2.0}
    assert members(matrix, "item-1", now=0) == {2: 8.0}
    assert matrix.totals_of(np.array([1]), 2 * HOUR_MS).tolist() == [8.0]


def test_members_without_a_number_are_left_out_and_a_row_is_as_wide_as_it_may_be(pipe: RedisPipe) -> None:
    writes(pipe, "item-1", a_row(1, ids=("item-5", "unknown", "item-6", "item-7", "item-8")))
    writes(pipe, "unknown", a_row(1))
    _, matrix = a_feed(pipe, width=3)
    assert list(members(matrix, "item-1")) == [5, 6, 7]


def test_a_store_that_has_lost_its_data_is_read_on(pipe: RedisPipe, store: redis.Redis) -> None:
    for item in ITEMS:
        writes(pipe, item, a_row(1))
    feed, matrix = a_feed(pipe)
    store.flushall()
    assert feed.look() == 0
    assert members(matrix, "item-1") == {2: 1.0}
    writes(pipe, "item-1", a_row(1, ids=("item-7",)))
    assert feed.look() == 1
    assert members(matrix, "item-1") == {7: 1.0}


def test_a_row_that_is_gone_is_empty_once_it_is_read(pipe: RedisPipe, store: redis.Redis) -> None:
    writes(pipe, "item-1", a_row(1))
    feed, matrix = a_feed(pipe)
    writes(pipe, "item-1", a_row(2))
    store.delete("trend:followers:item-1")
    assert feed.look() == 1
    assert members(matrix, "item-1") == {}
    assert matrix.as_of[1] == 0


def test_a_look_that_fails_is_made_good_by_the_next(pipe: RedisPipe, monkeypatch: pytest.MonkeyPatch) -> None:
    writes(pipe, "item-1", a_row(1))
    feed, matrix = a_feed(pipe)
    writes(pipe, "item-1", a_row(2, ids=("item-7",)))

    def fails(*_: Any) -> Any:
        raise redis.ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("freshet.udfs.trend_reader.read_rows", fails)
        with pytest.raises(redis.ConnectionError):
            feed.look()
    assert members(matrix, "item-1") == {2: 1.0}
    feed.look()
    assert members(matrix, "item-1") == {7: 1.0}


# ---- Sessions -------------------------------------------------------------------------------------------------------


def ends(pipe: RedisPipe, end: int, *items: str) -> None:
    adds(pipe, json.dumps({"end": end, "items": items}), end, name="sessions", capacity=100)


def test_a_session_is_taken_in_once_and_one_that_comes_late_too(pipe: RedisPipe) -> None:
    ends(pipe, HOUR_MS, "item-1", "item-2")
    sessions = LearntSessions()
    feed = SessionFeed(pipe, "sessions", ITEMS, sessions)
    assert sessions.of(np.array([0]))[0, :3].tolist() == [1, 2, 0]
    assert feed.look() == 0
    ends(pipe, HOUR_MS + 5, "item-3", "unknown", "item-4")
    ends(pipe, HOUR_MS - 5, "item-5", "item-6")
    ends(pipe, HOUR_MS + 6, "unknown", "item-7")
    assert feed.look() == 2
    assert feed.look() == 0
    found = SessionNeighbours(sessions).candidates(UserState(0, np.array([3])), 9)
    assert set(found.items.tolist()) == {3, 4}
    assert 0 <= feed.age_s < 60


def test_the_feed_of_sessions_follows_the_store(pipe: RedisPipe, server: RedisServer) -> None:
    sessions = LearntSessions()
    feed = SessionFeed(RedisPipe(server.url), "sessions", ITEMS, sessions)
    feed.start(0.01)
    try:
        ends(pipe, HOUR_MS, "item-1", "item-2")
        deadline = time.monotonic() + 10
        while not len(sessions.holding(np.array([1]))[1]) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(sessions.holding(np.array([1]))[1]) == 1
    finally:
        feed.stop()
