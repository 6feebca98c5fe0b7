"""What each candidate source costs for one user, by the clock: a shop of 100,000 items, full rows, a user of 50 events.

.venv/bin/python benchmarks/sources.py [USERS]

The sources are those of the jobs and of the recommender, over made-up counts. A batch costs less a user than this.
"""

import sys
import time
from collections.abc import Mapping

import numpy as np
from rich.console import Console
from rich.table import Table

from freshet.models.assortment import Item, Shelves
from freshet.models.factors import Factors
from freshet.models.likeness import Likeness
from freshet.models.popularity import Popularity
from freshet.models.sources.again import Again
from freshet.models.sources.als import Als
from freshet.models.sources.content import Content
from freshet.models.sources.covisits import CoVisits
from freshet.models.sources.fed_rows import FedBaskets, FedRows
from freshet.models.sources.followers import Followers
from freshet.models.sources.neighbours import learnt_histories, user_neighbours
from freshet.models.sources.sessions import LearntSessions, SessionNeighbours
from freshet.models.sources.shop import IN_CATEGORY, New, Popular, PopularInCategories, Trending
from freshet.models.sources.source import BatchSource, Source, asked_one_by_one
from freshet.models.sources.together import Together
from freshet.models.sources.towers import Towers, TowerSource, index_of
from freshet.models.standing import Standing
from freshet.models.user_state import Users, UserState
from freshet.models.vocabulary import Vocabulary
from freshet.udfs.trend_reader import RowMatrix

ITEMS, CATEGORIES = 100_000, 300
MODEL_ITEMS = 20_000  # as many as are compared one by one
ROW = 100
EVENTS, CART = 50, 20
SESSIONS = 20_000
CANDIDATES = 200
USERS = 1_000
DAY_MS = 86_400_000
NOW_MS = 1_000 * DAY_MS
POPULAR = 1.1
"""Exponent of how unequal items are: most events are of few."""

Figures = dict[str, float]


def some_items(random: np.random.Generator, size: int | tuple[int, ...], most: int = ITEMS) -> np.ndarray:
    """Return items as people choose them."""
    return random.zipf(POPULAR, size) % most + 1


def a_matrix(random: np.random.Generator) -> RowMatrix:
    """Return rows of a trend that are full."""
    matrix = RowMatrix(ITEMS, ROW, [30 * DAY_MS])
    matrix.ids[1:] = some_items(random, (ITEMS, ROW))
    matrix.counts[0, 1:] = -np.sort(-random.gamma(2.0, 5.0, (ITEMS, ROW)), axis=1)
    matrix.totals[0, 1:] = random.gamma(2.0, 50.0, ITEMS)
    matrix.as_of[1:] = NOW_MS - random.integers(0, DAY_MS, ITEMS)
    return matrix


def a_shop(random: np.random.Generator) -> Standing:
    """Return a catalogue with counts."""
    names = tuple(f"i{number}" for number in range(1, ITEMS + 1))
    kinds = tuple(f"c{number}" for number in range(1, CATEGORIES + 1))
    shelves = Shelves(Vocabulary(names, kinds, np.zeros(ITEMS + 1, np.int32)))
    words = [f"w{number}" for number in range(2_000)]
    shelves.take(
        (
            name,
            Item(
                in_stock=bool(random.random() < 0.95),
                category=kinds[random.integers(CATEGORIES)],
                brand=f"b{random.integers(2_000)}",
                title=" ".join(random.choice(words, 3)),
                price=float(random.gamma(2, 5)),
                available_since=int(NOW_MS - random.integers(0, 1_000) * DAY_MS),
            ),
        )
        for name in names
    )
    counts = np.bincount(some_items(random, 1_000_000), minlength=ITEMS + 1)[:, None] * random.random((ITEMS + 1, 2))
    popularity = Popularity.standing(np.sort(counts, axis=1), np.full(ITEMS + 1, NOW_MS), 1)
    return Standing(popularity, shelves.current).prepare()


def the_users(random: np.random.Generator, count: int) -> list[UserState]:
    """Return users in the middle of a session."""
    return [
        UserState(
            NOW_MS,
            items=some_items(random, EVENTS),
            times=NOW_MS - np.cumsum(random.integers(1_000, 600_000, EVENTS)),
            basket=np.unique(some_items(random, CART)),
            categories=random.permutation(CATEGORIES)[:5] + 1,
        )
        for _ in range(count)
    ]


def learnt(sessions: LearntSessions, random: np.random.Generator) -> LearntSessions:
    """Let sessions of ten events go by, until as many are kept as there is room for."""
    for session in range(SESSIONS):
        items, times = some_items(random, 10), NOW_MS - DAY_MS + session * 1_000 + np.arange(10)
        for at in range(10):
            past = UserState(int(times[at]), items[:at][::-1], times[:at][::-1])
            sessions.learn(past, int(items[at]), 1.0)
    return sessions


def the_sources(random: np.random.Generator) -> Mapping[str, Source]:
    """Return all sources."""
    standing = a_shop(random)
    rows = FedRows(a_matrix(random), lambda: NOW_MS)
    vectors = np.concatenate((np.zeros((1, 32)), random.normal(size=(MODEL_ITEMS, 32)))).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    towers = Towers(vectors, vectors, np.ones(20, np.float32))
    baskets = FedRows(RowMatrix(1, ROW, [30 * DAY_MS]), lambda: NOW_MS)
    sources: tuple[Source, ...] = (
        Followers(rows),
        CoVisits(rows),
        Together(FedBaskets(rows, baskets), ITEMS + 1),  # type: ignore[arg-type]
        SessionNeighbours(learnt(LearntSessions(SESSIONS), random)),
        user_neighbours(learnt(learnt_histories(SESSIONS), random)),
        TowerSource(towers, index_of(vectors)),
        Als(Factors(vectors)),
        Content(Likeness.of(standing.assortment)),
        PopularInCategories(IN_CATEGORY, lambda: standing, lambda user: user.categories, ""),
        Popular(lambda: standing),
        Trending(lambda: standing),
        New(lambda: standing),
        Again(),
    )
    return {source.name: source for source in sources}


def milliseconds(source: Source, users: list[UserState]) -> np.ndarray:
    """Return what a batch of one takes, with the evidence of five items: float64 [n]."""
    took = np.zeros(len(users))
    for at, user in enumerate(users):
        batch = Users([user])
        begun = time.perf_counter_ns()
        if isinstance(source, BatchSource):
            finds = source.finds(batch, CANDIDATES)
        else:
            finds = asked_one_by_one(lambda one: source.candidates(one, CANDIDATES), batch, CANDIDATES)
        listed = finds.items[0, :5]
        listed = listed[listed > 0]
        finds.because(np.zeros(len(listed), np.int64), listed)
        took[at] = (time.perf_counter_ns() - begun) / 1e6
    return took


def measure(console: Console, count: int = USERS) -> Figures:
    """Return the 99th percentile of each source, and of the slowest, in milliseconds."""
    random = np.random.default_rng(7)
    sources, table, figures = the_sources(random), Table("source", "p50 ms", "p99 ms"), Figures()
    users = the_users(random, count + 20)
    for name, source in sources.items():
        took = milliseconds(source, users)[20:]  # the first ones wait for the compiler
        half, most = np.percentile(took, (50, 99)).tolist()
        table.add_row(name, f"{half:.3f}", f"{most:.3f}")
        figures[f"source_{name.replace('-', '_')}_p99_ms"] = most
    console.print(table)
    return {**figures, "source_slowest_p99_ms": max(figures.values())}


if __name__ == "__main__":
    measure(Console(), int(sys.argv[1]) if len(sys.argv) > 1 else USERS)
