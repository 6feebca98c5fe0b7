"""How many events a second the features job carries, from a full topic to the online store."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness import Bench, cpu_seconds
from workload import Workload

from freshet.errors import FreshetError
from freshet.submit import Job
from freshet.udfs.feast_layout import EntityKeys, version_field

GROUP = "freshet-features"
VIEW = "user_activity"
POLL_S = 0.05
QUIET_S = 1.0
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Throughput:
    """One run. Seconds begin with the first write, `with_start` with the submission of the job."""

    events: int
    seconds: float
    with_start: float
    second_half: float
    """Seconds of the second half of the writes, when everything is compiled and cached."""
    cpu: dict[str, float]
    """Processor seconds of each part between the first write and the last."""
    load: float
    """Load average of the last minute at the end."""

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def warm_rate(self) -> float:
        """Events a second of the second half."""
        return self.events / 2 / self.second_half

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


def versions(bench: Bench, subjects: Sequence[str]) -> list[int]:
    """Return how many events the features of each subject hold."""
    key_of, name = EntityKeys(bench.settings.redis.project, ("subject",)), version_field(VIEW)
    with bench.redis().pipeline(transaction=False) as pipe:
        for subject in subjects:
            pipe.hget(key_of((subject,)), name)
        return [int(found.rsplit(b"-", 1)[1]) if found else 0 for found in pipe.execute()]


def measure(
    bench: Bench, workload: Workload, submit: Callable[[], Job], on_start: Callable[[], None] | None = None
) -> Throughput:
    """Run a job over the filled topic until every event is in the store, and cancel it.

    Raises:
        FreshetError: the job fails, or does not finish in time.
    """
    expected = workload.expected_versions()
    writes = Writes(bench)
    submitted = time.monotonic()
    job = submit()
    try:
        return _watch(bench, writes, job, expected, submitted, on_start or (lambda: None))
    finally:
        bench.cancel(job)


def _watch(
    bench: Bench, writes: Writes, job: Job, expected: dict[str, int], submitted: float, on_start: Callable[[], None]
) -> Throughput:
    deadline = submitted + TIMEOUT_S
    while not writes.count():
        time.sleep(POLL_S)
        _still(bench, job, deadline)
    first, before = time.monotonic(), cpu_seconds(bench)
    on_start()
    seen: list[tuple[float, int]] = [(first, 0)]
    used = before
    while True:
        time.sleep(POLL_S)
        now, count = time.monotonic(), writes.count()
        if count != seen[-1][1]:
            seen.append((now, count))
        elif now - seen[-1][0] > QUIET_S:
            used = cpu_seconds(bench)
            if versions(bench, list(expected)) == list(expected.values()):
                break
            _still(bench, job, deadline)
    last = seen[-1][0]
    half = next(at for at, count in seen if count >= seen[-1][1] / 2)
    return Throughput(
        events=sum(expected.values()),
        seconds=last - first,
        with_start=last - submitted,
        second_half=last - half,
        cpu={name: used[name] - before.get(name, 0.0) for name in used},
        load=os.getloadavg()[0],
    )


def _still(bench: Bench, job: Job, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise FreshetError(f"Job {job.name} did not finish within {TIMEOUT_S:.0f} s.")
    if bench.state(job) == "FAILED":
        raise FreshetError(f"Job {job.name} failed; read {bench.stack.home.logs}.")
