"""A feature is added to the running system: edit one file, apply, submit. Nothing that was known is forgotten."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import FEATURE_REPO, a_click, an_interaction
from e2e.running import is_running, until
from freshet.lookup import read_features
from freshet.replay.produce import produce
from freshet.schemas.topics import INTERACTIONS
from freshet.settings import Settings
from freshet.submit import Cluster

pytestmark = pytest.mark.e2e

USER = "user-new-feature"

LIKES_FIELD = '        Field(name="user_likes_count_24h", dtype=Int64, description="likes of the last day"),\n'
LIKES = """        Aggregation(
            name="user_likes_count_24h", function="count", column="event_id", time_window=DAY, slide_interval=HOUR
        ),
"""
TAGS = '        "user_spend_sum_24h.where": PURCHASE,\n'
LIKES_TAG = """        "user_likes_count_24h.where": "event_type = 'like'",\n"""
PULSE = """

SECOND = timedelta(seconds=1)
user_pulse = StreamFeatureView(
    name="user_pulse",
    entities=[user],
    ttl=timedelta(days=90),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="subject", dtype=String),
        Field(name="user_pulse_count_6s", dtype=Int64),
        Field(name="user_pulse_items_6s", dtype=Array(String)),
    ],
    aggregations=[
        Aggregation(
            name="user_pulse_count_6s", function="count", column="event_id", time_window=6 * SECOND, slide_interval=SECOND
        ),
        Aggregation(name="user_pulse_items_6s", function="last_n", column="item_id", time_window=6 * SECOND),
    ],
    tags={"user_pulse_items_6s.n": "3"},
)
"""


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's definitions with one more feature in a view, and one more view."""
    text = (FEATURE_REPO / "definitions.py").read_text("utf-8")
    field = '        Field(name="user_spend_sum_24h"'
    last = '        Aggregation(name="user_items_last_20"'
    text = text.replace(field, LIKES_FIELD + field).replace(last, LIKES + last)
    text = text.replace(TAGS, TAGS + LIKES_TAG)
    folder = tmp_path_factory.mktemp("feature_repo")
    (folder / "definitions.py").write_text(text + PULSE)
    return folder


def sends(settings: Settings, *kinds: str) -> None:
    """Send one event of each kind, now."""
    now = int(time.time() * 1000)
    events = [an_interaction(kind, user=USER, at=now - at, item_id="item-1") for at, kind in enumerate(kinds)]
    produce(events, settings, INTERACTIONS)


def reads(settings: Settings, **right: Any) -> Callable[[], dict[str, Any] | None]:
    """Return a look at the user's features, through Feast, that tells when they are right."""

    def look() -> dict[str, Any] | None:
        found = read_features(settings, "user", USER)
        return found if {name: found.get(name) for name in right} == right else None

    return look


@pytest.fixture(scope="module")
def upgraded(cluster: Cluster, settings: Settings, freshet: Any, edited: Path) -> Settings:
    """The settings, after events of a user, an edit, `features apply` and `submit features`."""
    sends(settings, "like", "click", "click")
    until(reads(settings, user_events_count_24h=3), "the first events", timeout_s=60)
    before = cluster.live("features")
    freshet("features", "apply", "--repo", str(edited))
    freshet("submit", "features")
    after = cluster.live("features")
    assert before is not None
    assert after is not None
    assert before.id != after.id
    until(lambda: is_running(cluster, "features"), "the new features job", timeout_s=120)
    return settings


def test_old_features_go_on_and_new_ones_count_from_now(upgraded: Settings) -> None:
    sends(upgraded, "like", "like")
    until(
        reads(upgraded, user_events_count_24h=5, user_clicks_count_1h=2, user_likes_count_24h=2),
        "both kinds of features",
        timeout_s=60,
    )


def test_an_event_from_before_the_upgrade_counts_once_still(upgraded: Settings) -> None:
    click = a_click(user=USER, item="item-9", at=int(time.time() * 1000))
    before = read_features(upgraded, "user", USER)["user_events_count_24h"]
    produce([click, click], upgraded, INTERACTIONS)
    produce([click], upgraded, INTERACTIONS)
    until(reads(upgraded, user_events_count_24h=before + 1), "the click", timeout_s=60)
    time.sleep(2)
    assert read_features(upgraded, "user", USER)["user_events_count_24h"] == before + 1


def test_once_a_window_has_passed_any_reader_finds_it_empty(upgraded: Settings) -> None:
    """And that with nobody sending anything any more."""
    sends(upgraded, "click")
    until(
        lambda: (read_features(upgraded, "user", USER).get("user_pulse_count_6s") or 0) > 0, "the pulse", timeout_s=60
    )
    until(reads(upgraded, user_pulse_count_6s=0, user_pulse_items_6s=[]), "the end of the window", timeout_s=30)


def test_submitting_what_runs_already_changes_nothing(upgraded: Settings, cluster: Cluster, freshet: Any) -> None:
    before = cluster.live("features")
    freshet("submit", "features")
    assert cluster.live("features") == before
