"""With two TaskManagers the jobs of one that dies or hangs go on with the other: nothing lost, doubled or stale."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from builders import a_click
from e2e.kafka_log import records
from e2e.running import JOBS, is_running, restarts, until
from freshet.lists import ListReader
from freshet.replay.produce import EventProducer, produce
from freshet.schemas.avro import Decoder
from freshet.schemas.registry import Registry
from freshet.schemas.topics import INTERACTIONS, INTERACTIONS_CLEAN
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
        self._lists, self._user = ListReader(settings), user

    def reading(self) -> Reading:
        [found] = self._features.read([(self._subject,)])
        return found

    def events(self) -> object:
        return self.reading().values[0]

    def versions(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The versions of the features and of the list; (0, 0) for what is not there."""
        listed = self._lists.own(self._user)
        return as_pair(self.reading().version), as_pair(listed.value["version"] if listed else None)


def as_pair(version: str | None) -> tuple[int, int]:
    as_of, _, sequence = (version or "0-0").rpartition("-")
    return int(as_of), int(sequence)


class Clicks:
    """A user who clicks without a pause, while somebody watches that nothing that stands is replaced by what is older."""

    def __init__(self, settings: Settings, user: str) -> None:
        self._settings, self._user = settings, user
        self._is_over = threading.Event()
        self.count = 0
        self.stale: list[str] = []

    @contextmanager
    def going_on(self) -> Iterator[None]:
        threads = [threading.Thread(target=one) for one in (self._click, self._watch)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def _click(self) -> None:
        with EventProducer(self._settings) as producer:
            while not self._is_over.wait(0.05):
                event = a_click(user=self._user, at=int(time.time() * 1000), event_id=f"{self._user}-{self.count}")
                producer.produce([event], INTERACTIONS)
                self.count += 1

    def _watch(self) -> None:
        store = Store(self._settings, self._user)
        before = store.versions()
        while not self._is_over.wait(0.01):
            now = store.versions()
            self.stale += [f"{new} after {old}" for old, new in zip(before, now, strict=True) if new < old]
            before = now


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


def test_one_that_hangs_and_wakes_again_writes_nothing_stale(two: Stack, cluster: Cluster, settings: Settings) -> None:
    user = "user-of-a-zombie"
    clicks, store = Clicks(settings, user), Store(settings, user)
    before = {job: restarts(cluster, job) for job in JOBS}
    with clicks.going_on():
        until(lambda: store.versions()[1] > (0, 0), "a list", timeout_s=60)
        two.pause(FIRST)
        until(lambda: all(restarts(cluster, job) > before[job] for job in JOBS), "the others to notice", timeout_s=60)
        until(partial(all_run, cluster), "the jobs on the second one", timeout_s=120)
        reached = clicks.count
        until(lambda: store.versions()[1][1] >= reached, "lists of what came meanwhile", timeout_s=120)
        two.pause(FIRST, resume=True)
        time.sleep(10)
    until(lambda: store.events() == clicks.count, "all clicks to be counted", timeout_s=60)
    until(lambda: store.versions()[1][1] == clicks.count, "the list of the last click", timeout_s=60)
    assert clicks.stale == []
    assert committed(settings, user, clicks.count) == {1}


def committed(settings: Settings, user: str, count: int) -> set[int]:
    """How often each of a user's clicks is on the clean topic, for those who read what is committed."""
    decode = Decoder(INTERACTIONS_CLEAN, Registry(settings.registry.url).schema)

    def found() -> Counter[str]:
        ids = (decode(record.value)["event_id"] for record in records(settings, INTERACTIONS_CLEAN))
        return Counter(one for one in ids if one.startswith(f"{user}-"))

    until(lambda: len(found()) == count, "the last transaction", timeout_s=60, poll_s=1.0)
    return set(found().values())
