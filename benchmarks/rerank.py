"""What re-ranking costs: 500 candidates to 20 with every rule on, and 200 to 20 with the rules of the home page.

OMP_NUM_THREADS=1 .venv/bin/python benchmarks/rerank.py [LISTS [FILE]]

It prints milliseconds by the clock and by the processor, the share of each stage, and writes the figures to FILE as JSON.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from freshet.models.reranking import boosts, filters, rerank
from freshet.models.reranking.config import Rules
from freshet.models.reranking.dpp import Dpp
from freshet.models.reranking.pool import Names, Past, Pool
from freshet.models.reranking.rerank import Reranker

LISTS = 5_000
PLACES = 20
WIDTH = 32
ITEMS = 5_000
CATEGORIES, BRANDS, SOURCES = 40, 200, 8

EVERY_RULE = Rules.model_validate(
    {
        "filters": {"blocked": {"items": ["i7"], "categories": ["c40"], "brands": ["b200"]}},
        "score": {"how": "composed"},
        "boosts": [
            {"name": "promotion", "log_odds": 0.3, "promoted": True},
            {"name": "own brand", "log_odds": 0.2, "brands": ["b3"]},
            {"name": "cheap", "log_odds": -0.2, "price_to": 1.0},
        ],
        "novelty": 0.02,
        "exposure": {"demote_after": 2, "withhold_after": 6},
        "decay": {"by": "brand"},
        "pins": [{"item": "i1", "place": 1}],
        "quotas": [
            {"by": "source", "name": "s1", "at_least": 3},
            {"by": "source", "name": "s2", "at_most": 0.25},
            {"by": "category", "name": "c5", "at_most": 1, "places": 10},
        ],
        "new_items": {"places": [8, 16]},
    }
)

NAMES = Names(
    item={f"i{number}": number for number in range(1, ITEMS + 1)},
    category={f"c{number}": number for number in range(1, CATEGORIES + 1)},
    brand={f"b{number}": number for number in range(1, BRANDS + 1)},
    source={f"s{number}": number for number in range(1, SOURCES + 1)},
)


def a_pool(size: int, random: np.random.Generator) -> Pool:
    """Return candidates whose vectors lie around those of their categories, and whose best ones are of a few categories."""
    others = random.permutation(np.arange(2, ITEMS + 1))[: size - 1]
    categories = np.minimum(random.geometric(0.1, size), CATEGORIES)
    centres = np.random.default_rng(1).normal(size=(CATEGORIES + 1, WIDTH))
    vectors = centres[categories] + random.normal(size=(size, WIDTH))
    scores = random.normal(size=size) - 0.05 * categories
    clicks = 1 / (1 + np.exp(2 - scores))
    return Pool(
        items=np.append(others, 1),  # item 1 is pinned
        scores=scores.astype(np.float32),
        sources=random.integers(1, SOURCES + 1, size),
        categories=categories,
        brands=random.integers(1, BRANDS + 1, size),
        prices=random.gamma(2, 2, size).astype(np.float32),
        ages_ms=random.integers(0, 100 * 86_400_000, size),
        popularity=random.dirichlet(np.ones(size)).astype(np.float32),
        impressions=random.integers(0, 5_000, size),
        shown=random.poisson(0.5, size),
        in_stock=random.random(size) < 0.97,
        promoted=random.random(size) < 0.1,
        vectors=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),
        probabilities={"click": clicks.astype(np.float32), "purchase": (clicks / 10).astype(np.float32)},
        relevance=random.gamma(4, 0.25, size).astype(np.float32),
        steps=random.integers(0, 10, size).astype(np.float32),
    )


def a_past(random: np.random.Generator) -> Past:
    """Return a user with a month of purchases and a long session."""
    now = 100 * 86_400_000
    seen, bought = random.integers(1, ITEMS + 1, 50), random.integers(1, ITEMS + 1, 60)
    return Past(
        now_ms=now,
        bought=bought,
        bought_at=now - random.integers(0, 60 * 86_400_000, 60),
        cart=random.integers(1, ITEMS + 1, 3),
        seen=seen,
        seen_at=now - random.integers(0, 48 * 3_600_000, 50),
        played=seen[:20],
        blocked=random.integers(1, ITEMS + 1, 5),
        boosts={3: 0.7},
    )


STAGES: dict[str, tuple[Any, str]] = {
    "filters": (filters, "filtered"),
    "composition": (rerank, "composed"),
    "boosts": (boosts, "fitting"),
    "novelty": (rerank, "novelty"),
    "exposure": (rerank, "demotion"),
    "decay": (rerank, "decayed"),
    "quality": (rerank, "scaled"),
    "diversity, to begin": (rerank, "ordering"),
    "diversity, each place": (Dpp, "take"),
    "places, with diversity": (rerank, "filled"),
    "moves": (rerank, "moves"),
}
"""What a function does -> where it is looked up when it is called."""


def lists(rules: Rules, size: int, count: int) -> tuple[list[int], list[int]]:
    """Make lists with all that explains them; return nanoseconds of each by the clock and by the processor."""
    random = np.random.default_rng(0)
    ranker = Reranker(rules, NAMES)
    users = [(a_pool(size, random), a_past(random)) for _ in range(64)]
    clock, processor = [], []
    for number in range(count):
        pool, past = users[number % len(users)]
        begun, used = time.perf_counter_ns(), time.thread_time_ns()
        made = ranker.rerank(pool, PLACES, past)
        assert len(made.moves) == PLACES
        processor.append(time.thread_time_ns() - used)
        clock.append(time.perf_counter_ns() - begun)
    return clock, processor


def timed(function: Callable[..., Any], spent: Counter[str], name: str) -> Callable[..., Any]:
    """Return the function with its nanoseconds added up."""

    def call(*args: Any, **named: Any) -> Any:
        begun = time.thread_time_ns()
        try:
            return function(*args, **named)
        finally:
            spent[name] += time.thread_time_ns() - begun

    return call


def shares(rules: Rules, size: int, count: int) -> dict[str, float]:
    """Return what part of the time each stage takes; the clocks within make all of it longer."""
    spent: Counter[str] = Counter()
    kept = {name: getattr(owner, attribute) for name, (owner, attribute) in STAGES.items()}
    for name, (owner, attribute) in STAGES.items():
        setattr(owner, attribute, timed(kept[name], spent, name))
    total = sum(lists(rules, size, count)[1])
    for name, (owner, attribute) in STAGES.items():
        setattr(owner, attribute, kept[name])
    return {name: spent[name] / total for name in STAGES}


def measure(count: int) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return the figures, and the shares of the stages by case."""
    figures, parts = {}, {}
    for name, rules, size in (("rerank", EVERY_RULE, 500), ("rerank_home", Rules(), 200)):
        lists(rules, size, 200)
        for clock, values in zip(("", "_cpu"), lists(rules, size, count), strict=True):
            for quantile in (50, 99):
                figures[f"{name}{clock}_p{quantile}_ms"] = float(np.percentile(values, quantile)) / 1e6
        parts[name] = shares(rules, size, max(200, count // 10))
    return figures, parts


def main() -> None:
    """Run, print the figures, and write them."""
    figures, parts = measure(int(sys.argv[1]) if len(sys.argv) > 1 else LISTS)
    table = Table("stage", *parts)
    for stage in STAGES:
        table.add_row(stage, *(f"{shares[stage]:.0%}" for shares in parts.values()))
    Console().print(table)
    for name, figure in figures.items():
        Console().print(f"{name:30} {figure:8.3f}")
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
