"""What the nearest items cost: all compared, or a graph of neighbours searched, for some sizes and search widths.

OMP_NUM_THREADS=1 .venv/bin/python benchmarks/nearest.py [FILE [SIZE ...]]

It prints processor time and how many of the true nearest are found, and writes the figures to FILE as JSON.
The vectors lie in clusters of unequal size, as those of items do; a user stands between three items, two of one cluster.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from freshet.models.sources.source import Floats
from freshet.models.sources.towers import ExactIndex, GraphIndex

SIZES = (5_000, 20_000, 50_000, 300_000)
SEARCH_WIDTHS = (64, 128, 256, 512)
WIDTH = 32
NEAREST = 200
USERS, NEW = 1_000, 200
CLUSTERS, SPREAD = 400, 0.7
MIB = 2**20

Figures = dict[str, float]


class Graph(GraphIndex):
    """The graph, with a search width that can be set."""

    def search_by(self, width: int) -> None:
        """Set how many items a search keeps in hand; usearch takes `NEAREST` where that is more."""
        self._index.expansion_search = width

    def mib(self) -> float:
        """Return the memory that it holds, by what it says."""
        return float(self._index.memory_usage / MIB)


def unit(vectors: NDArray[np.floating[Any]]) -> Floats:
    """Return the vectors with length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def a_shop(size: int, random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return the vectors of the items, row 0 zero, those of items to come, and those of users."""
    centres = random.normal(size=(CLUSTERS, WIDTH))
    clusters = random.choice(CLUSTERS, size + NEW, p=random.dirichlet(np.ones(CLUSTERS)))
    items = unit(centres[clusters] + SPREAD * random.normal(size=(size + NEW, WIDTH)))
    first, third = random.integers(0, size, (2, USERS))
    second = [random.choice(np.flatnonzero(clusters[:size] == cluster)) for cluster in clusters[first]]
    users = items[first] + items[second] + items[third]
    known = np.concatenate((np.zeros((1, WIDTH), np.float32), items[:size]))
    return known, items[size:], unit(users)


def timed(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> tuple[list[Any], NDArray[np.float64]]:
    """Return what each call returns, and its milliseconds of processor time."""
    answers, spent = [], []
    for arguments in calls:
        begun = time.process_time_ns()
        answers.append(function(*arguments))
        spent.append(time.process_time_ns() - begun)
    return answers, np.array(spent) / 1e6


def searched(index: ExactIndex | GraphIndex, users: Floats) -> tuple[list[set[int]], Figures]:
    """Return the nearest of each user, and what a search costs."""
    calls = [(user, NEAREST) for user in users]
    timed(index.nearest, calls[:50])
    answers, spent = timed(index.nearest, calls)
    p50, p99 = np.percentile(spent, (50, 99))
    return [set(items.tolist()) for items, _ in answers], {"p50_ms": float(p50), "p99_ms": float(p99)}


def put_ms(index: ExactIndex | GraphIndex, new: Floats, size: int) -> float:
    """Return the median milliseconds to put in an item that was not there."""
    return float(np.median(timed(index.put, [(size + 1 + at, vector) for at, vector in enumerate(new)])[1]))


def measure(size: int) -> dict[str, Figures]:
    """Return the figures of one size by the way to search."""
    items, new, users = a_shop(size, np.random.default_rng(size))
    exact = ExactIndex(items.copy())
    true, figures = searched(exact, users)
    once = {"build_s": 0.0, "put_ms": put_ms(exact, new, size), "mib": items.nbytes / MIB}
    rows = {"exact": {**figures, "recall": 1.0, **once}}
    (graph,), (milliseconds,) = timed(Graph, [(items,)])
    once = {"build_s": milliseconds / 1e3, "mib": graph.mib()}
    for width in SEARCH_WIDTHS:
        graph.search_by(width)
        found, figures = searched(graph, users)
        recall = np.mean([len(some & nearest) / len(nearest) for some, nearest in zip(found, true, strict=True)])
        rows[f"graph, {width}"] = {**figures, "recall": float(recall), **once}
    once["put_ms"] = put_ms(graph, new, size)
    return {way: {**once, **row} for way, row in rows.items()}


def main() -> None:
    """Run, print the figures, and write them."""
    rows = {f"{size:,}": measure(size) for size in map(int, sys.argv[2:] or SIZES)}
    columns = {"p50_ms": ".2f", "p99_ms": ".2f", "recall": ".3f", "build_s": ".1f", "put_ms": ".2f", "mib": ".1f"}
    table = Table("items", "search", *columns)
    for size, ways in rows.items():
        for way, row in ways.items():
            table.add_row(size, way, *(format(row[name], columns[name]) for name in columns))
    Console().print(table)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
