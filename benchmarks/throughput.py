"""How many events a second a job carries, from a full topic to the online store."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness import Bench, cpu_seconds
from workload import Workload

from freshet.errors import FreshetError
from freshet.submit import Job
from freshet.udfs.feast_layout import EntityKeys, version_field

VIEW = "user_activity"
POLL_S = 0.05
QUIET_S = 1.0
TIMEOUT_S = 900.0

Submit = Callable[[], Job]


@dataclass(frozen=True)
class Throughput:
    """One run of a job; the processor time is that of the whole stack, by part."""

    events: int
    seconds: float
    """From the first write to the last."""
    with_start: float
    """From the submission of the job to the last write."""
    cpu: dict[str, float]
    """Processor seconds of each part between the first write and the last."""
    load: float
    """Load average of the last minute at the end."""

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_us_per_event(self) -> float:
        """Processor time of all parts for one event, in microseconds."""
        return sum(self.cpu.values()) / self.events * 1e6


class Writes:
    """Watches the store's own count of writes, which costs it next to nothing."""

    def __init__(self, bench: Bench) -> None:
        self._redis = bench.redis()
        self._redis.config_resetstat()

    def count(self) -> int:
        """Return how many hashes have been written."""
        return int(self._redis.info("commandstats").get("cmdstat_hset", {}).get("calls", 0))

    def wait_for_first(self, bench: Bench, job: Job, deadline: float) -> float:
        """Return the time of the first write.

        Raises:
            FreshetError: the job fails, or does not write in time.
        """
        while not self.count():
            time.sleep(POLL_S)
            check(bench, job, deadline)
        return time.monotonic()


def versions(bench: Bench, subjects: Sequence[str]) -> list[int]:
    """Return how many events the features of each subject hold."""
    key_of, name = EntityKeys(bench.settings.redis.project, ("subject",)), version_field(VIEW)
    with bench.redis().pipeline(transaction=False) as pipe:
        for subject in subjects:
            pipe.hget(key_of((subject,)), name)
        return [int(found.rsplit(b"-", 1)[1]) if found else 0 for found in pipe.execute()]


def run_to_end(
    bench: Bench, workload: Workload, submit: Submit, on_start: Callable[[], None] | None = None
) -> Throughput:
    """Run a job over the filled topic until every event of every user is in the store. The job goes on running.

    The end is certain, not estimated: the store's counts are compared user by user once its writes have ceased.

    Raises:
        FreshetError: the job fails, or does not finish in time.
    """
    expected = workload.expected_versions()
    writes, submitted = Writes(bench), time.monotonic()
    deadline = submitted + TIMEOUT_S
    job = submit()
    first, before = writes.wait_for_first(bench, job, deadline), cpu_seconds(bench)
    if on_start:
        on_start()
    while True:
        check(bench, job, deadline)
        last, used = wait_for_quiet(writes), cpu_seconds(bench)
        if versions(bench, list(expected)) == list(expected.values()):
            break
    return Throughput(len(workload), last - first, last - submitted, difference(used, before), os.getloadavg()[0])


def wait_for_quiet(writes: Writes) -> float:
    """Return the time of the last write, once there has been none for a while."""
    count, last = 0, time.monotonic()
    while time.monotonic() - last < QUIET_S:
        time.sleep(POLL_S)
        now = writes.count()
        if now != count:
            count, last = now, time.monotonic()
    return last


def run_for(bench: Bench, workload: Workload, submit: Submit, warm_up_s: float, seconds: float) -> Throughput:
    """Run a job for a while, and count the events of that while; for one that would take too long to reach the end.

    Raises:
        FreshetError: the job fails, or does not begin in time.
    """
    subjects = list(workload.expected_versions())
    writes, submitted = Writes(bench), time.monotonic()
    deadline = submitted + TIMEOUT_S
    job = submit()
    writes.wait_for_first(bench, job, deadline)
    time.sleep(warm_up_s)
    begin, done, before = time.monotonic(), sum(versions(bench, subjects)), cpu_seconds(bench)
    time.sleep(seconds)
    used, end, count = cpu_seconds(bench), time.monotonic(), sum(versions(bench, subjects))
    check(bench, job, deadline)
    if count in (done, len(workload)):
        raise FreshetError(f"{job.name} was at {count} of {len(workload)} events: fill the topic with more.")
    return Throughput(count - done, end - begin, end - submitted, difference(used, before), os.getloadavg()[0])


def difference(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """Return what has been added to each part."""
    return {name: after[name] - before.get(name, 0.0) for name in after}


def check(bench: Bench, job: Job, deadline: float) -> None:
    """Make sure that a job can still finish.

    Raises:
        FreshetError: it has failed, or its time is up.
    """
    if time.monotonic() > deadline:
        raise FreshetError(f"Job {job.name} did not finish within {TIMEOUT_S:.0f} s.")
    if (state := bench.state(job)) in ("FAILED", "CANCELED", "RESTARTING"):
        raise FreshetError(f"Job {job.name} is {state}; read {bench.stack.home.logs}.")
