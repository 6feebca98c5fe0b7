"""The benchmarks over one filled topic: the ceiling, the shop's features, and the same in other settings and other engines."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peer
import storage
from agreement import Store, compare, read_same, read_store
from harness import COMPILER, SHOP, Bench, fill
from hotspots import Hotspots
from rich.console import Console
from shop_variants import with_more_counts
from throughput import Throughput, Writes, run_for, run_to_end
from workload import generate

from freshet.definitions import apply_definitions
from freshet.errors import FreshetError
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.submit import Job

HERE = Path(__file__).resolve().parent
COMPARED = 20_000  # entities, of which the textbook job has finished with some
QUIX_WARM_UP_S = 5.0  # nothing compiles: its processes have joined the group, and share the partitions
MORE_COUNTS = 20

Figures = dict[str, float]


class OneTopic:
    """A stack whose clean topic is full. `shop` comes first: the others hold themselves to what it has found."""

    def __init__(self, bench: Bench, events: int, warm_up_s: float, seconds: float, profile: Console | None) -> None:
        self._bench = bench
        self._warm_up_s = warm_up_s
        self._seconds = seconds
        self._profile = profile
        self._workload = generate(events, time.time_ns() // 1_000_000)
        self._users = len(self._workload.expected_versions())
        self._shop: Throughput | None = None
        self._store: Store = {}
        fill(bench.settings, INTERACTIONS_CLEAN, self._workload.clean(), "subject")

    def scan(self) -> Figures:
        """Read and decode the topic in the JVM alone."""
        job = self._bench.submit(HERE / "scan.py")
        self._bench.wait_until(job, "FINISHED")
        return {"kafka_scan_events_per_s": len(self._workload) / self._bench.running_s(job)}

    def shop(self) -> Figures:
        """Run the features job twice: a cluster that has just started compiles what it runs, and later it does not.

        At the end of the second run it measures what the features take to keep. `state_bytes_per_user` is the state of all
        entities of the shop's four views (users, pairs of user and category, items, categories) with their timers, in one
        full checkpoint, over the number of users; the ids of events seen are `dedup_state_bytes_per_event`.
        `redis_bytes_per_user` is what all these entities' hashes add to the memory of Redis, over the number of users.
        """
        with self._at_end() as (cold, _):
            pass
        empty = self._empty_store_bytes()
        with self._at_end(profile=True) as (warm, job):
            sizes = self._state_figures(job, "")
            sizes |= {"redis_bytes_per_user": (storage.store_bytes(self._bench) - empty) / self._users}
            sizes |= storage.hash_sizes(self._bench)
            self._store = read_store(self._bench, COMPARED)
        self._shop = warm
        parts = {f"shop_cpu_us_per_event_{part}": used / warm.events * 1e6 for part, used in warm.cpu.items()}
        return (
            sizes
            | parts
            | {
                "shop_events_per_s": warm.rate,
                "shop_with_start_events_per_s": warm.events / warm.with_start,
                "shop_cold_events_per_s": cold.events / cold.with_start,
                "shop_cpu_us_per_event": warm.cpu_us_per_event,
                "shop_load_average": warm.load,
            }
        )

    def scaling(self) -> Figures:
        """Run the features job in two slots instead of one.

        One slot has a thread for each step, so it may use two cores by itself: there the ratio says nothing about slots,
        and the processor time an event, which more slots should leave as it is, says how it would scale.
        """
        with submitted_with(FLINK__PARALLELISM=2), self._at_end() as (run, _):
            return {
                "shop_events_per_s_parallelism_2": run.rate,
                "shop_cpu_us_per_event_parallelism_2": run.cpu_us_per_event,
            }

    def more_features(self) -> Figures:
        """Run the features job with more counts of users, each in a window of its own of two to twenty-one hours.

        What one costs is processor time of all parts but the compiler. It includes that the end of each such window is an
        instant more at which a user who has fallen idle is evaluated and written.
        """
        assert self._shop  # run before
        with tempfile.TemporaryDirectory() as folder:
            apply_definitions(self._bench.settings, with_more_counts(Path(folder), MORE_COUNTS))
        try:
            with self._at_end(profile=True) as (run, _):
                return self._added_figures(self._shop, run)
        finally:
            apply_definitions(self._bench.settings, SHOP)

    def textbook(self) -> Figures:
        """Run the textbook job for a while, and check that it says what the features job has said."""
        self._bench.redis().flushall()
        try:
            run = run_for(
                self._bench,
                self._workload,
                lambda: self._bench.submit(HERE / "textbook.py"),
                self._warm_up_s,
                self._seconds,
            )
        finally:
            self._bench.cancel_all()
        return {
            "textbook_events_per_s": run.rate,
            "textbook_cpu_us_per_event": run.cpu_us_per_event,
            "textbook_load_average": run.load,
            "textbook_entities_compared": self._compared(),
        }

    def quix(self) -> Figures:
        """Run the user's windows in Quix Streams for a while."""
        run = peer.run_for(self._bench, len(self._workload), QUIX_WARM_UP_S, self._seconds)
        return {
            "quix_events_per_s": run.rate,
            "quix_cpu_us_per_event": run.cpu_us_per_event,
            "quix_load_average": run.load,
        }

    def rocksdb(self) -> Figures:
        """Run the features job on a stack whose state is in RocksDB; what it compiles, it has compiled in a run before."""
        self._warm_up(self._warm_up_s)
        with self._at_end(profile=True) as (run, job):
            return self._state_figures(job, "_rocksdb") | {
                "shop_events_per_s_rocksdb": run.rate,
                "shop_cpu_us_per_event_rocksdb": run.cpu_us_per_event,
            }

    def _submit(self) -> Job:
        return self._bench.cluster.submit("features")

    @contextmanager
    def _at_end(self, *, profile: bool = False) -> Iterator[tuple[Throughput, Job]]:
        """Run the features job until it has written everything; it still runs while the caller looks at it."""
        self._bench.redis().flushall()
        hotspots = Hotspots(self._bench) if profile and self._profile else None
        try:
            run = run_to_end(self._bench, self._workload, self._submit, hotspots.start if hotspots else None)
            if hotspots and self._profile:
                hotspots.stop()
                hotspots.show(run.events, run.cpu, self._profile)
            yield run, self._submit()  # it runs already, so this only says which it is
        finally:
            self._bench.cancel_all()

    def _warm_up(self, seconds: float) -> None:
        self._bench.redis().flushall()
        try:
            writes, deadline = Writes(self._bench), time.monotonic() + seconds + 120
            writes.wait_for_first(self._bench, self._submit(), deadline)
            time.sleep(seconds)
        finally:
            self._bench.cancel_all()

    def _empty_store_bytes(self) -> int:
        self._bench.redis().flushall()
        return storage.store_bytes(self._bench)

    def _state_figures(self, job: Job, suffix: str) -> Figures:
        size = storage.state_size(self._bench, job)
        return {
            f"state_bytes_per_user{suffix}": size.features / self._users,
            f"dedup_state_bytes_per_event{suffix}": size.event_ids / len(self._workload),
        }

    @staticmethod
    def _added_figures(before: Throughput, after: Throughput) -> Figures:
        parts = {part: after.cpu[part] / after.events - before.cpu[part] / before.events for part in after.cpu}
        del parts[COMPILER]  # the earlier run had more to compile
        added = {f"shop_us_per_added_feature_{part}": parts[part] for part in ("taskmanager", "redis")}
        added["shop_us_per_added_feature"] = sum(parts.values())
        return {name: used * 1e6 / MORE_COUNTS for name, used in added.items()}

    def _compared(self) -> int:
        agreement = compare(self._store, read_same(self._bench, self._store))
        if agreement.different:
            raise FreshetError(
                f"The textbook job and ours differ in {len(agreement.different)} of {agreement.compared} entities, "
                f"the first of them {agreement.different[0]!r}."
            )
        return agreement.compared


@contextmanager
def submitted_with(**settings: object) -> Iterator[None]:
    """Submit jobs with these settings, by the names of their variables without the prefix."""
    variables = {f"FRESHET_{name}": str(value) for name, value in settings.items()}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
