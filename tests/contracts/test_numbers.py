"""Many entities' doubles read at once, from a real Redis."""

from collections.abc import Sequence

import numpy as np
import pytest
import redis

from contracts.redis_server import RedisServer
from freshet.udfs.feast_layout import EntityKeys, double, field_name, int64, timestamp, timestamp_field, version_field
from freshet.udfs.read_features import FeatureReader
from freshet.udfs.redis_pipe import RedisPipe

NOW = 1_700_000_000_123
VIEW, FEATURES = "item_popularity", ("item_events_ewma_1h", "item_events_ewma_24h")


@pytest.fixture
def reader(server: RedisServer) -> FeatureReader:
    return FeatureReader(RedisPipe(server.url), "freshet", VIEW, ("item_id",), FEATURES)


def put(store: redis.Redis, item: str, *values: bytes, as_of: int = NOW, version: str | None = "") -> None:
    """Store an item as the features job does; without a version, as Feast does."""
    own: dict[bytes, bytes | str] = {timestamp_field(VIEW): timestamp(as_of)}
    if version is not None:
        own[version_field(VIEW)] = version or f"{as_of}-3"
    named = {field_name(VIEW, name): value for name, value in zip(FEATURES, values, strict=False)}
    store.hset(EntityKeys("freshet", ["item_id"])([item]), mapping=own | named)


def keys(reader: FeatureReader, items: Sequence[str]) -> list[bytes]:
    return [reader.key_of([item]) for item in items]


def test_they_stand_where_they_were_asked_for(reader: FeatureReader, store: redis.Redis) -> None:
    put(store, "a", double(1.5), double(-2.0))
    put(store, "c", double(0.0), double(4.0), as_of=-5)
    found = reader.numbers(keys(reader, ["?", "a", "?", "c"]))
    assert found.positions.tolist() == [1, 3]
    assert found.as_of.tolist() == [NOW, -5]
    assert found.values.tolist() == [[1.5, -2.0], [0.0, 4.0]]


def test_a_feature_that_is_missing_is_no_number(reader: FeatureReader, store: redis.Redis) -> None:
    put(store, "a", double(1.5))
    assert np.isnan(reader.numbers(keys(reader, ["a"])).values).tolist() == [[False, True]]


def test_what_feast_wrote_has_its_time(reader: FeatureReader, store: redis.Redis) -> None:
    put(store, "a", double(1.5), double(2.0), version=None)
    assert reader.numbers(keys(reader, ["a"])).as_of.tolist() == [NOW]


def test_none_of_them_there_is_no_error(reader: FeatureReader) -> None:
    found = reader.numbers(keys(reader, ["?"]))
    assert (len(found.positions), found.values.shape) == (0, (0, 2))


def test_many_keep_their_places(reader: FeatureReader, store: redis.Redis) -> None:
    last = 5_000
    put(store, "a", double(1.0), double(1.0))
    put(store, "b", double(2.0), double(2.0))
    found = reader.numbers(keys(reader, ["a", *["?"] * (last - 1), "b"]))
    assert found.positions.tolist() == [0, last]


def test_an_integer_is_not_taken_for_a_double(reader: FeatureReader, store: redis.Redis) -> None:
    put(store, "a", int64(7), double(1.0))
    with pytest.raises(ValueError, match="not a double"):
        reader.numbers(keys(reader, ["a"]))
