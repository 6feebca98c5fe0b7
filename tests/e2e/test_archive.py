"""The archive holds every committed event once, through a kill; training sets from it are what the store holds."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import redis

from e2e.kafka_log import records
from e2e.running import until
from e2e.shoppers import ITEMS, crowd
from e2e.test_crash import same
from freshet.archive.blocks import day_of
from freshet.archive.read import connect
from freshet.consistency import Checker, Findings
from freshet.history import training_set
from freshet.jobs.feature_registry import registered_views
from freshet.replay.produce import produce
from freshet.schemas.avro import Decoder
from freshet.schemas.registry import Registry
from freshet.schemas.topics import INTERACTIONS, INTERACTIONS_CLEAN
from freshet.settings import Settings
from freshet.submit import Cluster
from freshet.udfs.feast_layout import EntityKeys, double, field_name, timestamp
from freshet.udfs.read_features import FeatureReader
from freshet.udfs.redis_pipe import RedisPipe

pytestmark = pytest.mark.e2e

EVENTS = 6_000


@pytest.fixture(scope="module")
def archived(cluster: Cluster, settings: Settings, freshet: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an archive that was written by a process that was killed, and then by another."""
    start = int(time.time() * 1000) - EVENTS * 40 - 60_000
    produce(crowd(EVENTS, users=150, items=ITEMS, start_ms=start, seed=11), settings, INTERACTIONS)
    folder = tmp_path_factory.mktemp("archive") / "clean"
    small = {"FRESHET_ARCHIVE__PATH": str(folder), "FRESHET_ARCHIVE__BLOCK_EVENTS": "700"}
    environment = freshet.environment | small | {"FRESHET_ARCHIVE__FLUSH_SECONDS": "0.2"}
    command = [str(Path(sys.executable).with_name("freshet")), "archive"]
    until(lambda: len(clean(settings)) > EVENTS // 2, "half of the events to be committed", timeout_s=120)
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as running:
        until(lambda: len(list(folder.glob("day=*/*.parquet"))) > 4, "some files", timeout_s=60, poll_s=0.02)
        os.kill(running.pid, signal.SIGKILL)
    until(lambda: len(clean(settings)) >= EVENTS, "the last transaction", timeout_s=60)
    time.sleep(6)  # a session of the group's killed member has to end
    subprocess.run([*command, "--to-end"], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
    return folder


def clean(settings: Settings) -> list[tuple[int, int, dict[str, Any]]]:
    """Return partition, offset and record of all that is committed."""
    decode = Decoder(INTERACTIONS_CLEAN, Registry(settings.registry.url).schema)
    return [(one.partition, one.offset, decode(one.value)) for one in records(settings, INTERACTIONS_CLEAN)]


def rows_of(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the files one by one, as somebody who knows nothing of their names."""
    for path in sorted(folder.rglob("*.parquet")):
        if not path.name.startswith("."):
            frame = pd.read_parquet(path, partitioning=None)
            for row in frame.to_dict("records"):
                yield {str(name): value for name, value in row.items()} | {"day": path.parent.name}


def test_every_committed_event_is_there_once(archived: Path, settings: Settings) -> None:
    found = Counter((row["clean_partition"], row["clean_offset"]) for row in rows_of(archived))
    assert found == Counter((partition, offset) for partition, offset, _ in clean(settings))


def test_an_event_is_what_it_was_and_lies_in_its_day(archived: Path, settings: Settings) -> None:
    right = {(partition, offset): record for partition, offset, record in clean(settings)}
    for row in rows_of(archived):
        record = right[row["clean_partition"], row["clean_offset"]]
        time_ms = int(row["event_time"].value // 1_000_000)
        assert (row["event_id"], row["subject"], time_ms) == (
            record["event_id"],
            record["subject"],
            record["event_time"],
        )
        assert row["day"] == f"day={day_of(record['event_time'])}"
        assert dict(row["context"]) == record["context"]


def test_duckdb_reads_each_event_id_once(archived: Path, settings: Settings) -> None:
    [(count, ids)] = connect(str(archived)).execute("SELECT count(*), count(DISTINCT event_id) FROM events").fetchall()
    assert count == ids == len({record["event_id"] for _, _, record in clean(settings)})


@pytest.mark.parametrize("name", ["user_activity", "item_popularity", "category_trends", "user_category_affinity"])
def test_a_training_set_says_what_the_store_says_at_its_instant(archived: Path, settings: Settings, name: str) -> None:
    view = next(one for one in registered_views(settings) if one.name == name)
    archive = connect(str(archived))
    keys = archive.execute(
        f"SELECT DISTINCT {', '.join(view.keys)} FROM events WHERE {' AND '.join(f'{key} IS NOT NULL' for key in view.keys)}"
    ).fetchall()
    names = [feature.name for feature in view.features]
    pipe = RedisPipe(settings.redis.url.get_secret_value())
    reader = FeatureReader(pipe, settings.redis.project, view.name, view.keys, names)

    def compared() -> list[tuple[Any, ...]]:
        readings = reader.read(keys)
        rows = pd.DataFrame(keys, columns=list(view.keys))
        rows["event_timestamp"] = pd.to_datetime([reading.as_of or 0 for reading in readings], unit="ms", utc=True)
        found = training_set(archive, [view], rows)
        return [
            (key, feature, reading.values[at], row[feature])
            for key, reading, row in zip(keys, readings, found.to_dict("records"), strict=True)
            for at, feature in enumerate(names)
        ]

    def wrong() -> list[tuple[Any, ...]]:
        return [one for one in compared() if not same(one[2], one[3])]

    assert len(keys) > 15
    until(lambda: not wrong(), f"{name} to be written", timeout_s=60, poll_s=2.0)


# ---- The consistency check ------------------------------------------------------------------------------------------


@pytest.fixture
def check(archived: Path, settings: Settings) -> Callable[[str], Findings]:
    """Check one view against the archive, once the jobs have caught up with it."""
    pipe = RedisPipe(settings.redis.url.get_secret_value())
    checker = Checker(connect(str(archived)), pipe, settings.redis.project, sample=10_000)
    views = {view.name: view for view in registered_views(settings)}
    return lambda name: checker.check(views[name])


@pytest.fixture
def an_item(settings: Settings) -> Iterator[tuple[redis.Redis, bytes]]:
    """The store, and the key of an item whose hash is put back afterwards."""
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as store:
        key = EntityKeys(settings.redis.project, ["item_id"])([ITEMS[3]])
        before: Any = store.hgetall(key)
        yield store, key
        store.delete(key)
        store.hset(key, mapping=before)


def has_settled(check: Callable[[str], Findings], name: str) -> bool:
    return not check(name).moving


def test_a_store_that_is_right_is_clean(check: Callable[[str], Findings]) -> None:
    for name in ("user_activity", "item_popularity", "category_trends", "user_category_affinity"):
        until(partial(has_settled, check, name), f"{name} to settle", timeout_s=60)
        found = check(name)
        assert found.is_clean, found.examples[:5]
        assert found.compared == found.sampled > 15


def test_a_value_that_differs_is_found(check: Callable[[str], Findings], an_item: tuple[redis.Redis, bytes]) -> None:
    store, key = an_item
    store.hset(key, field_name("item_popularity", "item_click_rate_24h"), double(0.123))
    found = check("item_popularity")
    assert found.different["item_click_rate_24h"] == 1
    assert sum(found.different.values()) == 1
    assert found.rates()["item_click_rate_24h"] == 1 / found.compared
    assert [example for example in found.examples if "0.123" in example]


def test_an_entity_that_is_missing_is_found(
    check: Callable[[str], Findings], an_item: tuple[redis.Redis, bytes]
) -> None:
    store, key = an_item
    store.delete(key)
    assert check("item_popularity").missing == 1


def test_an_entity_that_nobody_touched_is_found(check: Callable[[str], Findings], settings: Settings) -> None:
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as store:
        key = EntityKeys(settings.redis.project, ["item_id"])(["an item that was never seen"])
        store.hset(key, "_ts:item_popularity", timestamp(1_000))
        try:
            assert check("item_popularity").extra == 1
        finally:
            store.delete(key)


def test_the_command_tells_and_fails_when_something_is_wrong(
    archived: Path, freshet: Any, an_item: tuple[redis.Redis, bytes]
) -> None:
    environment = freshet.environment | {"FRESHET_ARCHIVE__PATH": str(archived)}
    command = [str(Path(sys.executable).with_name("freshet")), "features", "check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "item_popularity: 300 of 300 entities compared" in done.stdout
    store, key = an_item
    store.delete(key)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{ITEMS[3]} is not in the store" in done.stdout
