"""How many events a second the trends job carries: all declared trends over a full topic, on a stack of its own.

.venv/bin/python benchmarks/trends.py [EVENTS]
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from harness import Bench, bench_stack, cpu_seconds, fill
from rich.console import Console
from workload import TYPES, WITHOUT_ITEM, Workload, generate

from freshet.schemas.keys import TrendRow, TrendSet
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.submit import Job
from freshet.udfs.trend_spec import rows_of
from freshet.udfs.trends import TRENDS, FirstSeen, Sessions

EVENTS = 400_000
POLL_S = 0.1
TIMEOUT_S = 300.0
SAMPLE = 1_000


def events_in(bench: Bench) -> int:
    """Return how many events the row of what is popular everywhere holds: the second part of its version."""
    head: Any = bench.redis().getrange(TrendRow("popular", "all").encode(), 0, 63)
    return int(head.split(b'"')[3].rpartition(b"-")[2]) if head else 0


def progress(bench: Bench, until: int) -> Iterator[tuple[float, int]]:
    """Yield instants and how many events were in by then, until all of them are.

    Raises:
        TimeoutError: they are not in time.
    """
    begin = time.monotonic()
    while (count := events_in(bench)) < until:
        if time.monotonic() - begin > TIMEOUT_S:
            raise TimeoutError(f"{count} of {until} events after {TIMEOUT_S:.0f} s")
        yield time.monotonic(), count
        time.sleep(POLL_S)
    yield time.monotonic(), count


def measure(bench: Bench, workload: Workload) -> dict[str, float]:
    """Run the job over the workload and return its figures."""
    fill(bench.settings, INTERACTIONS_CLEAN, workload.clean(), "subject")
    without = [at for at, kind in enumerate(TYPES) if kind in WITHOUT_ITEM]
    counted = int(np.count_nonzero(~np.isin(workload.types, without)))
    used = cpu_seconds(bench)
    job = bench.cluster.submit("trends")
    bench.wait_until_tasks_run(job)
    seen = np.array(list(progress(bench, counted)))
    time.sleep(2.0)  # what changed last is written
    cpu = {name: seconds - used.get(name, 0.0) for name, seconds in cpu_seconds(bench).items()}
    # From the first tenth of the events to the last: what the start and the end of the topic do is left out.
    first = seen[np.searchsorted(seen[:, 1], counted * 0.1)]
    last = seen[np.searchsorted(seen[:, 1], counted * 0.9)]
    return {
        "events_per_s": (last[1] - first[1]) / (last[0] - first[0]) * len(workload) / counted,
        "taskmanager_cpu_us_per_event": cpu["taskmanager"] / len(workload) * 1e6,
        "compiler_cpu_us_per_event": cpu["compiler"] / len(workload) * 1e6,
        "redis_cpu_us_per_event": cpu["redis"] / len(workload) * 1e6,
        "checkpoint_bytes": checkpoint_bytes(bench, job),
        **sizes(bench),
    }


def checkpoint_bytes(bench: Bench, job: Job) -> int:
    """Return the size of the job's last checkpoint, event ids included."""
    latest = bench.cluster.get(f"/jobs/{job.id}/checkpoints")["latest"]["completed"]
    return int(latest["state_size"]) if latest else 0


def sizes(bench: Bench) -> dict[str, float]:
    """Return for each name how many rows or members there are, and how long rows are on average."""
    store, found = bench.redis(), dict[str, float]()
    for trend in TRENDS:
        for rows in rows_of(trend):
            place: Any = TrendSet(rows.name).encode()
            count: Any = store.zcard(place)
            found[f"{rows.name}_rows"] = count
            if not isinstance(trend, Sessions | FirstSeen):
                keys: Any = store.zrandmember(place, SAMPLE)
                values: Any = store.mget([TrendRow(rows.name, key.decode()).encode() for key in keys])
                found[f"{rows.name}_bytes_per_row"] = float(np.mean([len(value) for value in values]))
    return found


def main() -> None:
    """Run, and print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with bench_stack() as bench:
        for name, figure in measure(bench, generate(count, time.time_ns() // 1_000_000)).items():
            Console().print(f"{name:30} {figure:14,.0f}")


if __name__ == "__main__":
    main()
