"""New features are filled from the archive while events go on coming: no event is missing, none counts twice."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from builders import FEATURE_REPO, a_click, an_interaction
from e2e.running import is_running, until
from freshet.replay.produce import EventProducer, produce
from freshet.schemas.topics import INTERACTIONS
from freshet.settings import Settings
from freshet.submit import Cluster
from freshet.udfs.pseudonym import load_key, subject_of
from freshet.udfs.read_features import FeatureReader, Reading
from freshet.udfs.redis_pipe import RedisPipe

pytestmark = pytest.mark.e2e

USERS = [f"user-backfilled-{number}" for number in range(40)]
IDLE = "user-backfilled-idle"
VIEW, COUNT, ITEMS = "user_history", "user_events_count_30d", "user_items_distinct_30d"
OLD, SHARED = "user_events_count_24h", "user_items_distinct_24h"

A_VIEW = f"""

user_history = StreamFeatureView(
    name="{VIEW}",
    entities=[user],
    ttl=timedelta(days=90),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="subject", dtype=String),
        Field(name="{COUNT}", dtype=Int64),
        Field(name="{ITEMS}", dtype=Int64),
    ],
    aggregations=[
        Aggregation(name="{COUNT}", function="count", column="event_id", time_window=30 * DAY, slide_interval=DAY),
        Aggregation(name="{ITEMS}", function="count_distinct", column="item_id", time_window=30 * DAY, slide_interval=DAY),
    ],
)
"""
FIELD = f'        Field(name="{SHARED}", dtype=Int64),\n'
AGGREGATION = f"""        Aggregation(
            name="{SHARED}", function="count_distinct", column="item_id", time_window=DAY, slide_interval=HOUR
        ),
"""


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's definitions with one more view, and one more feature in a view that runs."""
    text = (FEATURE_REPO / "definitions.py").read_text("utf-8") + A_VIEW
    for place, more in (
        ('        Field(name="user_spend_sum_24h"', FIELD),
        ('        Aggregation(name="user_items_last_20"', AGGREGATION),
    ):
        assert text.count(place) == 1
        text = text.replace(place, more + place)
    folder = tmp_path_factory.mktemp("feature_repo")
    (folder / "definitions.py").write_text(text)
    return folder


class Crowd:
    """Users who click without a pause; it remembers how often each did, and on what."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopped = threading.Event()
        self.clicks: dict[str, list[str]] = {user: [] for user in USERS}

    @contextmanager
    def clicking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._click)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def _click(self) -> None:
        with EventProducer(self._settings) as producer:
            number = 0
            while not self._stopped.wait(0.05):
                events = []
                for user in USERS[number % 4 :: 4]:
                    item = f"item-{(number * 7 + len(user)) % 50}"
                    self.clicks[user].append(item)
                    event_id = f"backfill-{user}-{len(self.clicks[user])}"
                    events.append(a_click(user=user, item=item, at=int(time.time() * 1000), event_id=event_id))
                producer.produce(events, INTERACTIONS)
                number += 1


@pytest.fixture(scope="module")
def filled(
    cluster: Cluster, settings: Settings, freshet: Any, edited: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, Crowd]:
    """The settings and the crowd, after new features were filled while it clicked."""
    archive = tmp_path_factory.mktemp("archive") / "clean"
    freshet.environment["FRESHET_ARCHIVE__PATH"] = str(archive)
    now = int(time.time() * 1000)  # read once: an event's id comes from its time, and equal ids are one event
    idle = [an_interaction("view", user=IDLE, at=now - number, item_id="item-1") for number in range(3)]
    produce(idle, settings, INTERACTIONS)
    crowd = Crowd(settings)
    with crowd.clicking():
        time.sleep(12)  # some transactions are over, so that the archive holds a part of it
        freshet("archive", "--to-end")
        freshet("features", "apply", "--repo", str(edited))
        freshet("features", "backfill")
        until(lambda: is_running(cluster, "features"), "the features job", timeout_s=120)
        time.sleep(3)
    del freshet.environment["FRESHET_ARCHIVE__PATH"]
    return settings, crowd


def reading(settings: Settings, user: str, view: str, *features: str) -> Reading:
    subject = subject_of(user, load_key(settings.privacy.pseudonym_key_file))
    pipe = RedisPipe(settings.redis.url.get_secret_value())
    [found] = FeatureReader(pipe, settings.redis.project, view, ["subject"], features).read([(subject,)])
    return found


def test_each_event_counts_once_whether_archived_recent_or_new(filled: tuple[Settings, Crowd]) -> None:
    settings, crowd = filled
    right = {user: (len(items), len(set(items))) for user, items in crowd.clicks.items()}

    def found() -> dict[str, Any]:
        return {user: reading(settings, user, VIEW, COUNT, ITEMS).values for user in USERS}

    until(lambda: found() == right, "all clicks to be counted", timeout_s=90) if found() != right else None
    time.sleep(2)
    assert found() == right


def test_a_new_feature_of_a_view_that_ran_is_filled_and_the_others_go_on(filled: tuple[Settings, Crowd]) -> None:
    settings, crowd = filled
    for user, items in crowd.clicks.items():
        assert reading(settings, user, "user_activity", OLD, SHARED).values == (len(items), len(set(items)))


def test_who_has_done_nothing_since_is_in_the_store_all_the_same(filled: tuple[Settings, Crowd]) -> None:
    settings, _ = filled
    until(lambda: reading(settings, IDLE, VIEW, COUNT).values == (3,), "the idle user", timeout_s=90)


def test_with_nothing_new_the_command_says_so(filled: tuple[Settings, Crowd], freshet: Any) -> None:
    done = freshet.run("features", "backfill")
    assert done.returncode == 1
    assert "computes all registered features already" in done.stderr
