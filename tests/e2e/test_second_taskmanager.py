"""With two TaskManagers the jobs of one that dies go on with the other, and lose nothing."""

import time
from collections.abc import Iterator
from functools import partial

import pytest

from builders import a_click
from e2e.running import JOBS, is_running, restarts, until
from freshet.replay.produce import produce
from freshet.schemas.topics import INTERACTIONS
from freshet.settings import Settings
from freshet.stack import process
from freshet.stack.stack import Stack
from freshet.submit import Cluster
from freshet.udfs.pseudonym import load_key, subject_of
from freshet.udfs.read_features import FeatureReader
from freshet.udfs.redis_pipe import RedisPipe

pytestmark = pytest.mark.e2e

USER = "user-of-two-taskmanagers"
FIRST, SECOND = "taskmanager", "taskmanager-2"


@pytest.fixture
def two(cluster: Cluster, settings: Settings) -> Iterator[Stack]:
    """The run's stack with a second TaskManager, and the first one alone again at the end."""
    local = settings.local.model_copy(update={"taskmanagers": 2})
    stack = Stack(settings.model_copy(update={"local": local}))
    stack.start(SECOND)
    yield stack
    stack.start(FIRST)
    part = stack.parts[SECOND]
    if record := part.record():
        process.kill(record)
        part.record_file.unlink()
    for job in JOBS:
        until(partial(is_running, cluster, job), f"job {job}", timeout_s=180)


def events_of(settings: Settings) -> int | None:
    subject = subject_of(USER, load_key(settings.privacy.pseudonym_key_file))
    pipe = RedisPipe(settings.redis.url.get_secret_value())
    reader = FeatureReader(pipe, settings.redis.project, "user_activity", ["subject"], ["user_events_count_24h"])
    [reading] = reader.read([(subject,)])
    pipe.close()
    (count,) = reading.values
    assert count is None or isinstance(count, int)
    return count


def test_the_jobs_of_one_that_is_killed_go_on_with_the_other(two: Stack, cluster: Cluster, settings: Settings) -> None:
    now, before = int(time.time() * 1000), {job: restarts(cluster, job) for job in JOBS}

    def click(first: int, count: int) -> None:
        produce([a_click(user=USER, at=now + number) for number in range(first, first + count)], settings, INTERACTIONS)

    click(0, 20)
    two.kill(FIRST)
    click(20, 20)
    until(lambda: events_of(settings) == 40, "all clicks to be counted", timeout_s=120)
    assert two.parts[FIRST].runs() is False
    assert any(restarts(cluster, job) > before[job] for job in JOBS)
    time.sleep(2)
    assert events_of(settings) == 40
