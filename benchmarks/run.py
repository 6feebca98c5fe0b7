"""Runs the benchmarks: starts stacks of its own, prints a table, and writes the figures to `results.json` beside this file.

.venv/bin/python benchmarks/run.py [--only NAME ...] [--quick] [--profile]

What goes into a ratio is measured in the same run: what another benchmark is held to runs with it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import fresh
import latency
import peer
import rerank
import scoring
import sources
from figures import RESULTS, merge, show, this_run
from harness import MIB, ROOT, Bench, bench_stack
from one_topic import OneTopic
from rich.console import Console
from throughput import VIEW

from freshet.errors import FreshetError

SHOP = "shop"
HELD_TO_THE_SHOP = ("scaling", "more_features", "textbook", "quix", "rocksdb")

# Name of a ratio, and the figures above and below the line.
RATIOS = {
    "shop_ratio_textbook": ("shop_events_per_s", "textbook_events_per_s"),
    "shop_cpu_ratio_textbook": ("textbook_cpu_us_per_event", "shop_cpu_us_per_event"),
    "shop_ratio_quix": ("shop_events_per_s", "quix_events_per_s"),
    "shop_cpu_ratio_quix": ("quix_cpu_us_per_event", "shop_cpu_us_per_event"),
    "shop_ratio_parallelism_2": ("shop_events_per_s_parallelism_2", "shop_events_per_s"),
    "shop_ratio_rocksdb": ("shop_events_per_s_rocksdb", "shop_events_per_s"),
}

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
        return 100_000 if self.quick else 400_000

    @property
    def seconds(self) -> float:
        """How long the other engines and the latencies are measured, each after its warm-up."""
        return 10.0 if self.quick else 60.0

    @property
    def warm_up_s(self) -> float:
        """How long a job runs at full speed before it is measured, so that Java has compiled what runs often."""
        return 10.0 if self.quick else 30.0

    def wants(self, name: str) -> bool:
        """Tell whether a benchmark is to run: all do, or those that are named and what they are held to."""
        if name == "quix" and not peer.is_possible():
            return False
        return not self.only or name in self.only or (name == SHOP and bool({*self.only} & {*HELD_TO_THE_SHOP}))


def over_one_topic(names: tuple[str, ...]) -> Callable[[Bench, Options], Figures]:
    """Return what runs those of these benchmarks that are wanted over one filled topic."""

    def benchmark(bench: Bench, options: Options) -> Figures:
        topic = OneTopic(
            bench, options.events, options.warm_up_s, options.seconds, console if options.profile else None
        )
        found: Figures = {}
        for name in names:
            if options.wants(name):
                console.print(f"[bold]{name}[/bold] ...")
                found |= getattr(topic, name)()
        return found

    return benchmark


def freshness(bench: Bench, options: Options) -> Figures:
    """Measure how late an event, and the end of a window, show in the store."""
    console.print("[bold]fresh[/bold] ...")
    with tempfile.TemporaryDirectory() as folder:
        return fresh.figures(bench, Path(folder), 2 * options.warm_up_s, options.seconds)


def latencies(bench: Bench, options: Options) -> Figures:
    """Measure how long an event takes to the features and to the list."""
    console.print("[bold]latency[/bold] ...")
    return latency.figures(bench, VIEW, 3 * options.warm_up_s, options.seconds)


def scoring_alone(bench: Bench, options: Options) -> Figures:
    """Measure how many announced users a second the scoring job makes lists for."""
    console.print("[bold]scoring[/bold] ...")
    return scoring.figures(bench, scoring.QUICK if options.quick else scoring.FULL, console)


def without_a_stack(options: Options) -> Figures:
    """Measure what a list costs in process: re-ranking, and each candidate source."""
    found: Figures = {}
    if options.wants("rerank"):
        console.print("[bold]rerank[/bold] ...")
        found |= rerank.measure(500 if options.quick else rerank.LISTS)[0]
    if options.wants("sources"):
        console.print("[bold]sources[/bold] ...")
        found |= sources.measure(console, 100 if options.quick else sources.USERS)
    return found


@dataclass(frozen=True)
class Group:
    """Benchmarks that share a stack."""

    names: tuple[str, ...]
    benchmark: Callable[[Bench, Options], Figures]
    state_backend: str = "hashmap"


MAIN, ROCKSDB = ("scan", SHOP, "scaling", "more_features", "textbook", "quix"), ("rocksdb",)
GROUPS = (
    Group(MAIN, over_one_topic(MAIN)),
    Group(ROCKSDB, over_one_topic(ROCKSDB), "rocksdb"),
    Group(("fresh",), freshness),
    Group(("latency",), latencies),
    Group(("scoring",), scoring_alone),
)
NAMES = (*(name for group in GROUPS for name in group.names), "rerank", "sources")


def run(options: Options) -> Figures:
    """Run the benchmarks that are wanted, each group on a stack of its own, and return their figures."""
    found: Figures = {}
    if options.wants("quix"):
        peer.environment()  # before anything else runs: it may have to be downloaded
    found |= without_a_stack(options)
    for group in GROUPS:
        if any(options.wants(name) for name in group.names):
            with bench_stack(state_backend=group.state_backend) as bench:
                found |= group.benchmark(bench, options)
                found["stack_peak_rss_mib"] = max(found.get("stack_peak_rss_mib", 0.0), bench.peak_bytes / MIB)
    return found | ratios(found)


def ratios(found: Mapping[str, float]) -> Figures:
    """Return the ratios of the figures that this run has found.

    >>> ratios({"shop_events_per_s": 12_000, "quix_events_per_s": 4_000, "textbook_events_per_s": 500})
    {'shop_ratio_textbook': 24.0, 'shop_ratio_quix': 3.0}
    """
    return {name: found[a] / found[b] for name, (a, b) in RATIOS.items() if a in found and b in found}


def options_of(arguments: list[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=[], help="run these, and what they are held to")
    parser.add_argument("--quick", action="store_true", help="fewer events and seconds: to see that it works")
    parser.add_argument("--profile", action="store_true", help="show where the features job spends its time")
    known = parser.parse_args(arguments)
    return Options(tuple(known.only), known.quick, known.profile)


def main() -> None:
    """Run, print, and write the figures down."""
    about, options, begin = this_run(ROOT), options_of(sys.argv[1:]), time.monotonic()
    if not peer.is_possible():
        console.print("[yellow]Quix Streams needs Python 3.11, so nothing is held to it.[/yellow]")
    try:
        found = run(options)
    except FreshetError as error:
        console.print(f"[red]{error}[/red]")
        sys.exit(1)
    show(found, console)
    seconds = round(time.monotonic() - begin)
    merge(RESULTS, found, about | {"quick": options.quick, "seconds": seconds})
    console.print(f"Written to {RESULTS} after {seconds / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
