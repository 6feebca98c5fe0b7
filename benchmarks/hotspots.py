"""Where the time of a running job goes: processor time by thread of the TaskManager, and the Java methods it is spent in.

Threads come from the operating system and methods from Flink's own sampling, so that a plain Java runtime will do.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from harness import Bench
from rich.console import Console
from rich.table import Table

from freshet.submit import LIVE

SETTLE_S = 5.0  # let the compiler do its work before methods are sampled
ROWS = 25


class Hotspots:
    """Begins with `start`, ends with `stop`; then `show` prints what was seen."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._before: Counter[str] = Counter()
        self._threads: Counter[str] = Counter()
        self._methods: Counter[str] = Counter()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def start(self) -> None:
        """Note the threads' times and begin to sample."""
        self._before = thread_ms(self._bench)
        self._sampler.start()

    def stop(self) -> None:
        """Note the threads' times again."""
        self._threads = thread_ms(self._bench) - self._before
        self._sampler.join(timeout=30)

    def show(self, events: int, cpu: Mapping[str, float], console: Console) -> None:
        """Print microseconds an event of each part and thread, and the share of samples of each method."""
        _print(console, "part", "us/event", {name: used * 1e6 / events for name, used in cpu.items()})
        _print(console, "thread", "us/event", {name: ms * 1e3 / events for name, ms in self._threads.items()})
        total = max(1, sum(self._methods.values()))
        _print(console, "method on top", "% of samples", {name: 100 * n / total for name, n in self._methods.items()})

    def _sample(self) -> None:
        time.sleep(SETTLE_S)
        for job in self._bench.cluster.jobs():
            if job.state in LIVE:
                for vertex in self._bench.cluster.get(f"/jobs/{job.id}")["vertices"]:
                    self._methods += self._on_cpu(f"/jobs/{job.id}/vertices/{vertex['id']}/flamegraph?type=on_cpu")

    def _on_cpu(self, path: str) -> Counter[str]:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            if graph := self._bench.cluster.get(path).get("data"):
                return tops(graph)
            time.sleep(1)
        return Counter()


def tops(graph: Mapping[str, Any]) -> Counter[str]:
    """Count the samples by the method that was on top."""
    found: Counter[str] = Counter()
    rest = [graph]
    while rest:
        here = rest.pop()
        children = here["children"]
        found[here["name"]] += here["value"] - sum(child["value"] for child in children)
        rest.extend(children)
    return found


def thread_ms(bench: Bench) -> Counter[str]:
    """Return the processor time of the TaskManager's threads so far, in milliseconds, by name."""
    record = bench.stack.parts["taskmanager"].record()
    if record is None:
        return Counter()
    used: Counter[str] = Counter()
    for thread in psutil.Process(record.pid).threads():
        try:
            name = Path(f"/proc/{record.pid}/task/{thread.id}/comm").read_text("utf-8").strip()
        except OSError:
            continue  # it has ended
        used[name] += round((thread.user_time + thread.system_time) * 1000)
    return used


def _print(console: Console, what: str, unit: str, values: Mapping[str, float]) -> None:
    table = Table(what, unit)
    table.columns[1].justify = "right"
    for name, value in sorted(values.items(), key=lambda pair: -pair[1])[:ROWS]:
        table.add_row(name, f"{value:.1f}")
    console.print(table)
