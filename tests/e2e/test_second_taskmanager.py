"""With two TaskManagers the jobs of one that dies go on with the other: nothing lost, nothing doubled."""

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
from freshet.udfs.read_features import FeatureReader, Reading
from freshet.udfs.redis_pipe import RedisPipe

pytestmark = pytest.mark.e2e

FIRST, SECOND = "taskmanager", "taskmanager-2"


@pytest.fixture
def two(cluster: Cluster, settings: Settings) -> Iterator[Stack]:
    """The run's stack with a second TaskManager, all jobs on the first one; that is alone again at the end."""
    local = settings.local.model_copy(update={"taskmanagers": 2})
    stack = Stack(settings.model_copy(update={"local": local}))
    stack.start(SECOND)
    yield stack
    stack.start(FIRST)
    part = stack.parts[SECOND]
    if record := part.record():
        process.kill(record)
        part.record_file.unlink()
    until(partial(all_run, cluster), "the jobs on the first one", timeout_s=180)


def all_run(cluster: Cluster) -> bool:
    return all(is_running(cluster, job) for job in JOBS)


class Store:
    """What stands in the store for one user."""

    def __init__(self, settings: Settings, user: str) -> None:
        self._subject = subject_of(user, load_key(settings.privacy.pseudonym_key_file))
        pipe = RedisPipe(settings.redis.url.get_secret_value())
        names = ["user_events_count_24h"]
        self._features = FeatureReader(pipe, settings.redis.project, "user_activity", ["subject"], names)

    def reading(self) -> Reading:
        [found] = self._features.read([(self._subject,)])
        return found

    def events(self) -> object:
        return self.reading().values[0]


def test_the_jobs_of_one_that_is_killed_go_on_with_the_other(two: Stack, cluster: Cluster, settings: Settings) -> None:
    user = "user-of-two-taskmanagers"
    store, now = Store(settings, user), int(time.time() * 1000)
    before = {job: restarts(cluster, job) for job in JOBS}
    for first in (0, 20):
        clicks = [a_click(user=user, at=now + number) for number in range(first, first + 20)]
        produce(clicks, settings, INTERACTIONS)
        two.kill(FIRST)
    until(lambda: store.events() == 40, "all clicks to be counted", timeout_s=120)
    assert not two.parts[FIRST].runs()
    assert any(restarts(cluster, job) > before[job] for job in JOBS)
    time.sleep(2)
    assert store.events() == 40
