"""A TaskManager killed in mid-stream: nothing is lost, nothing counts twice, every feature is right."""

import math
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from e2e import oracle
from e2e.kafka_log import records
from e2e.running import JOBS, is_running, restarts, until
from e2e.shoppers import ITEMS, crowd
from freshet.replay.pace import Pace
from freshet.replay.produce import EventProducer
from freshet.schemas.avro import Decoder
from freshet.schemas.registry import Registry
from freshet.schemas.topics import CATALOG, INTERACTIONS
from freshet.settings import Settings
from freshet.stack.stack import Stack
from freshet.submit import Cluster
from freshet.udfs.pseudonym import load_key
from freshet.udfs.read_features import FeatureReader, Reading
from freshet.udfs.redis_pipe import RedisPipe

pytestmark = pytest.mark.e2e

EVENTS, USERS, RATE = 20_000, 800, 1_500.0
KEYS = {
    "user_activity": ("subject",),
    "user_category_affinity": ("subject", "category"),
    "item_popularity": ("item_id",),
    "category_trends": ("category",),
}


@pytest.fixture(scope="module")
def crashed(stack: Stack, settings: Settings, cluster: Cluster) -> Settings:
    """The settings, after a stream during which the TaskManager was killed twice."""
    start_ms = int(time.time() * 1000) - EVENTS * 40 - 60_000
    events = crowd(EVENTS, users=USERS, items=ITEMS, start_ms=start_ms, seed=7)
    before = {job: restarts(cluster, job) for job in JOBS}
    with EventProducer(settings) as producer:
        sent = 0
        for deadline in (EVENTS // 4, EVENTS // 2, 10 * EVENTS):
            part = [event for _, event in zip(range(deadline - sent), events, strict=False)]
            producer.produce(part, INTERACTIONS, pace=Pace(rate=RATE))
            sent += len(part)
            if deadline <= EVENTS:
                stack.kill("taskmanager")
                stack.start("taskmanager")
    for job in JOBS:
        until(partial(is_running, cluster, job), f"job {job} after the kills")
    assert all(restarts(cluster, job) > before[job] for job in JOBS), "the kill went unnoticed: the test proves nothing"
    return settings


@pytest.fixture(scope="module")
def truth(crashed: Settings) -> dict[str, dict[oracle.Key, list[oracle.Event]]]:
    """What the features must be made of, from the raw topics alone."""
    registry = Registry(crashed.registry.url)
    item, interaction = Decoder(CATALOG, registry.schema), Decoder(INTERACTIONS, registry.schema)
    categories = {}
    for record in records(crashed, CATALOG):
        known = item(record.value)
        if known["category"]:
            categories[known["item_id"]] = known["category"]
    # Whatever another test has sent is in the features too; what is keyed otherwise is bad on purpose.
    good = (record for record in records(crashed, INTERACTIONS) if (record.key or b"").startswith(b"user-"))
    raw = ((record.offset, interaction(record.value)) for record in good)
    return oracle.histories(oracle.events(raw, categories, load_key(crashed.privacy.pseudonym_key_file)))


def stored(settings: Settings, view: str, keys: list[oracle.Key], features: list[str]) -> list[Reading]:
    """Return what stands in Redis."""
    pipe = RedisPipe(settings.redis.url.get_secret_value())
    return FeatureReader(pipe, settings.redis.project, view, KEYS[view], features).read(keys)


@pytest.mark.parametrize("view", list(KEYS))
def test_every_feature_equals_its_definition_after_two_kills(
    view: str, crashed: Settings, truth: dict[str, dict[oracle.Key, list[oracle.Event]]]
) -> None:
    """Each key holds each of its events once, with the values that follow from them at the instant that is told."""
    keys = list(truth[view])
    features = list(oracle.VIEWS[view](truth[view][keys[0]], int(time.time() * 1000)))

    def wrong() -> list[str]:
        found = zip(keys, stored(crashed, view, keys, features), strict=True)
        return [problem for key, reading in found for problem in differences(view, key, reading, truth[view][key])]

    deadline = time.monotonic() + 120
    while (problems := wrong()) and time.monotonic() < deadline:
        time.sleep(1.0)
    assert problems == []


def differences(view: str, key: oracle.Key, reading: Reading, history: list[oracle.Event]) -> Iterator[str]:
    """Yield what is wrong with one key."""
    latest = max(event.time for event in history)
    if reading.as_of is None or reading.as_of < latest or reading.version != f"{reading.as_of}-{len(history)}":
        yield f"{key}: version {reading.version}, not {latest}-{len(history)} or later"
        return
    right = oracle.VIEWS[view](history, reading.as_of)
    for (name, value), found in zip(right.items(), reading.values, strict=True):
        if not same(found, value):
            yield f"{key}: {name} is {found}, not {value}"
    if reading.as_of > latest and reading.as_of > time.time() * 1000:
        yield f"{key}: it is as of {reading.as_of}, which has not come yet"


def same(found: Any, right: Any) -> bool:
    """Compare numbers to nine digits, since sums in another order differ in the last of them."""
    if isinstance(right, oracle.Estimate):
        return right.allows(found)
    if isinstance(right, float):
        return isinstance(found, float) and math.isclose(found, right, rel_tol=1e-9, abs_tol=1e-9)
    return bool(found == right)


def test_all_events_are_in_the_log_once_for_those_who_read_committed(crashed: Settings) -> None:
    """The clean topic, read committed, holds every raw event exactly once."""
    decode = Decoder("interactions.clean", Registry(crashed.registry.url).schema)

    def positions() -> list[tuple[int, int]]:
        clean = (decode(record.value) for record in records(crashed, "interactions.clean"))
        return sorted((one["source_partition"], one["source_offset"]) for one in clean)

    raw = sorted((record.partition, record.offset) for record in records(crashed, INTERACTIONS))
    refused = sum(1 for _ in records(crashed, "interactions.rejected"))
    until(lambda: len(positions()) + refused >= len(raw), "the last transaction", timeout_s=60, poll_s=1.0)
    assert len(positions()) == len(set(positions()))
    assert set(positions()) <= set(raw)
    assert len(positions()) + refused == len(raw)
