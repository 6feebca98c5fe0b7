"""Time in the running system: an event that is too late is told, and windows end although a restart met no traffic."""

import time
from typing import Any

import pytest

from builders import FEATURE_REPO, a_click, hours
from e2e.kafka_log import records
from e2e.running import is_running, until
from freshet.lookup import read_features
from freshet.replay.produce import produce
from freshet.schemas.avro import Decoder, Record
from freshet.schemas.registry import Registry
from freshet.schemas.topics import INTERACTIONS, INTERACTIONS_REJECTED
from freshet.settings import Settings
from freshet.submit import Cluster
from freshet.udfs.rejections import TOO_LATE

pytestmark = pytest.mark.e2e

USER, SLEEPER = "user-too-late", "user-asleep"

BEAT = """

SECOND = timedelta(seconds=1)
user_beat = StreamFeatureView(
    name="user_beat",
    entities=[user],
    ttl=timedelta(days=90),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[Field(name="subject", dtype=String), Field(name="user_beat_count_20s", dtype=Int64)],
    aggregations=[
        Aggregation(
            name="user_beat_count_20s", function="count", column="event_id", time_window=20 * SECOND, slide_interval=SECOND
        ),
    ],
)
"""


@pytest.fixture(scope="module")
def beating(cluster: Cluster, freshet: Any, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster, whose features job counts the events of 20 seconds too."""
    folder = tmp_path_factory.mktemp("feature_repo")
    (folder / "definitions.py").write_text((FEATURE_REPO / "definitions.py").read_text("utf-8") + BEAT)
    freshet("features", "apply", "--repo", str(folder))
    freshet("submit", "features")
    until(lambda: is_running(cluster, "features"), "the features job", timeout_s=120)
    return cluster


def too_late(settings: Settings) -> list[Record]:
    """Return what the features job has told of events that are too late."""
    decode = Decoder(INTERACTIONS_REJECTED, Registry(settings.registry.url).schema)
    found = (decode(record.value) for record in records(settings, INTERACTIONS_REJECTED))
    return [one for one in found if one["reason"] == TOO_LATE]


def test_an_event_too_late_for_sessions_leads_to_its_bytes(cluster: Cluster, settings: Settings) -> None:
    now = int(time.time() * 1000)
    produce([a_click(user=USER, at=now)], settings, INTERACTIONS)
    until(lambda: read_features(settings, "user", USER).get("user_session_length"), "the first event", timeout_s=60)
    late = a_click(user=USER, at=now - hours(25))
    produce([late], settings, INTERACTIONS)
    [told] = until(lambda: too_late(settings), "the rejection", timeout_s=60)
    assert "user_session_length" in told["detail"]
    raw = next(
        record
        for record in records(settings, told["topic"])
        if (record.partition, record.offset) == (told["partition"], told["offset"])
    )
    assert Decoder(INTERACTIONS, Registry(settings.registry.url).schema)(raw.value) == late


def test_a_window_ends_after_a_restart_that_met_no_traffic(beating: Cluster, settings: Settings) -> None:
    """Nobody sends anything between the stop and the end of the window: the store's value stands still, then empties."""
    produce([a_click(user=SLEEPER, at=int(time.time() * 1000))], settings, INTERACTIONS)
    until(lambda: beat(settings), "the event", timeout_s=60, poll_s=0.05)
    running = beating.live("features")
    assert running is not None
    savepoint = beating.stop(running)
    assert beat(settings) == 1, "the window ended before the job was stopped"
    beating.submit("features", savepoint=savepoint)
    until(lambda: beat(settings) == 0, "the end of the window", timeout_s=120)


def beat(settings: Settings) -> int | None:
    found: int | None = read_features(settings, "user", SLEEPER).get("user_beat_count_20s")
    return found
