"""Runs the benchmarks: starts a stack of its own, prints a table, and writes the figures to `results.json` beside this file.

.venv/bin/python benchmarks/run.py [--only NAME ...] [--quick] [--profile]
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import latency
from agreement import compare, read_same, read_store
from figures import RESULTS, merge, show, this_run
from harness import MIB, ROOT, Bench, bench_stack, fill
from hotspots import Hotspots
from rich.console import Console
from throughput import VIEW, Throughput, run_for, run_to_end
from workload import generate

from freshet.errors import FreshetError
from freshet.schemas.topics import INTERACTIONS_CLEAN

HERE = Path(__file__).resolve().parent
COMPARED = 20_000  # entities, of which the textbook job has finished with some
TEXTBOOK_WARM_UP_S = 20.0

Figures = dict[str, float]
console = Console()


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    only: tuple[str, ...] = ()
    quick: bool = False
    profile: bool = False

    @property
    def events(self) -> int:
        """How many events the clean topic is filled with."""
        return 60_000 if self.quick else 400_000

    @property
    def seconds(self) -> float:
        """How long the textbook job and the latencies are measured, each after its warm-up."""
        return 20.0 if self.quick else 60.0

    def wants(self, name: str) -> bool:
        """Tell whether a benchmark is to run."""
        return not self.only or name in self.only


class Throughputs:
    """The benchmarks over one filled topic: the ceiling, the features job, and the textbook's version of it."""

    def __init__(self, bench: Bench, options: Options) -> None:
        self._bench = bench
        self._options = options
        self._workload = generate(options.events, time.time_ns() // 1_000_000)
        fill(bench.settings, INTERACTIONS_CLEAN, self._workload.clean(), "subject")

    def scan(self) -> Figures:
        """Read and decode the topic in the JVM alone."""
        job = self._bench.submit(HERE / "scan.py")
        self._bench.wait_until(job, "FINISHED")
        return {"kafka_scan_events_per_s": len(self._workload) / self._bench.running_s(job)}

    def features(self) -> Figures:
        """Run the features job twice: a cluster that has just started compiles what it runs, and later it does not."""
        cold = self._to_end()
        warm = self._to_end(Hotspots(self._bench) if self._options.profile else None)
        parts = {f"features_cpu_us_per_event_{part}": used / warm.events * 1e6 for part, used in warm.cpu.items()}
        return parts | {
            "features_events_per_s": warm.rate,
            "features_with_start_events_per_s": warm.events / warm.with_start,
            "features_cold_events_per_s": cold.events / cold.with_start,
            "features_cpu_us_per_event": warm.cpu_us_per_event,
            "features_load_average": warm.load,
        }

    def textbook(self) -> Figures:
        """Run the textbook job for a while, and check that it says what the features job has said."""
        ours = read_store(self._bench, COMPARED)
        self._bench.redis().flushall()
        try:
            run = run_for(
                self._bench,
                self._workload,
                lambda: self._bench.submit(HERE / "textbook.py"),
                TEXTBOOK_WARM_UP_S,
                self._options.seconds,
            )
        finally:
            self._bench.cancel_all()
        agreement = compare(ours, read_same(self._bench, ours))
        if agreement.different:
            raise FreshetError(
                f"The textbook job and ours differ in {len(agreement.different)} of {agreement.compared} entities, "
                f"the first of them {agreement.different[0]!r}."
            )
        return {
            "textbook_events_per_s": run.rate,
            "textbook_cpu_us_per_event": run.cpu_us_per_event,
            "textbook_load_average": run.load,
            "textbook_entities_compared": agreement.compared,
        }

    def _to_end(self, hotspots: Hotspots | None = None) -> Throughput:
        self._bench.redis().flushall()
        try:
            start = hotspots.start if hotspots else None
            run = run_to_end(self._bench, self._workload, lambda: self._bench.cluster.submit("features"), start)
            if hotspots:
                hotspots.stop()
                hotspots.show(run.events, run.cpu, console)
        finally:
            self._bench.cancel_all()
        return run


def throughputs(bench: Bench, options: Options) -> Figures:
    """Run what is wanted of the benchmarks over one filled topic."""
    over_one_topic = Throughputs(bench, options)
    found: Figures = {}
    for name in ("scan", "features", "textbook"):
        if options.wants(name):
            console.print(f"[bold]{name}[/bold] ...")
            found |= getattr(over_one_topic, name)()
    if "features_events_per_s" in found and "textbook_events_per_s" in found:
        found["features_ratio_textbook"] = found["features_events_per_s"] / found["textbook_events_per_s"]
        found["features_cpu_ratio_textbook"] = found["textbook_cpu_us_per_event"] / found["features_cpu_us_per_event"]
    return found


def latencies(bench: Bench, options: Options) -> Figures:
    """Measure how long an event takes to the features and to the list."""
    console.print("[bold]latency[/bold] ...")
    return latency.figures(bench, VIEW, options.seconds)


GROUPS: dict[tuple[str, ...], Callable[[Bench, Options], Figures]] = {
    ("scan", "features", "textbook"): throughputs,
    ("latency",): latencies,
}
NAMES = tuple(name for group in GROUPS for name in group)


def run(options: Options) -> Figures:
    """Run the benchmarks that are wanted, each group on a stack of its own, and return their figures."""
    found: Figures = {}
    for group, benchmark in GROUPS.items():
        if any(options.wants(name) for name in group):
            with bench_stack() as bench:
                found |= benchmark(bench, options)
                found["stack_peak_rss_mib"] = max(found.get("stack_peak_rss_mib", 0.0), bench.peak_bytes / MIB)
    return found


def options_of(arguments: list[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=[], help="run these alone")
    parser.add_argument("--quick", action="store_true", help="fewer events and seconds: to see that it works")
    parser.add_argument("--profile", action="store_true", help="show where the features job spends its time")
    known = parser.parse_args(arguments)
    return Options(tuple(known.only), known.quick, known.profile)


def main() -> None:
    """Run, print, and write the figures down."""
    about = this_run(ROOT)
    try:
        found = run(options_of(sys.argv[1:]))
    except FreshetError as error:
        console.print(f"[red]{error}[/red]")
        sys.exit(1)
    show(found, console)
    merge(RESULTS, found, about)
    console.print(f"Written to {RESULTS}.")


if __name__ == "__main__":
    main()
