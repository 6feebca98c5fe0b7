"""What a source finds for a batch is what it finds for each of its users."""

import doctest
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models import best, listing, ranking
from freshet.models.assortment import Item, Shelves
from freshet.models.popularity import Popularity
from freshet.models.sources import shop
from freshet.models.sources.again import Again
from freshet.models.sources.covisits import CoVisitLearner, CoVisits
from freshet.models.sources.followers import FollowerLearner, Followers
from freshet.models.sources.rows import LearntRows
from freshet.models.sources.shop import New, Popular, PopularInCategories, Trending
from freshet.models.sources.source import BatchSource, Finds, Found, Source, asked_one_by_one
from freshet.models.standing import Standing, StandingFeed
from freshet.models.user_state import Users, UserState
from freshet.models.vocabulary import Vocabulary

ITEMS = 12
DAY_MS = 86_400_000
NOW_MS = 100 * DAY_MS


@pytest.mark.parametrize("module", [best, listing, ranking, shop], ids=lambda module: module.__name__)
def test_the_examples_of_a_module_are_true(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


@given(st.lists(st.integers(-2, 5), max_size=40), st.integers(0, 45))
def test_the_best_are_the_largest_above_nothing_and_of_equals_the_first(scores: list[int], k: int) -> None:
    expected = sorted((at for at, score in enumerate(scores) if score > 0), key=lambda at: (-scores[at], at))[:k]
    assert best.best(np.array(scores, np.float64), k).tolist() == expected


@st.composite
def states(draw: st.DrawFn) -> UserState:
    items = np.array(draw(st.lists(st.integers(1, ITEMS), max_size=60)), np.int64)
    steps = np.array(draw(st.lists(st.integers(0, 2), min_size=len(items), max_size=len(items))), np.int64)
    times = NOW_MS - np.cumsum(steps) if draw(st.booleans()) else np.zeros(0, np.int64)
    kinds = draw(st.lists(st.integers(1, 4), unique=True, max_size=3))
    return UserState(NOW_MS + draw(st.integers(-20, 20)) * DAY_MS, items, times, categories=np.array(kinds, np.int64))


def the_shop(seed: int) -> Standing:
    """A shop in which some items are out of stock and some are new."""
    random = np.random.default_rng(seed)
    names = [f"i{number}" for number in range(1, ITEMS + 1)]
    vocabulary = Vocabulary(tuple(names), ("a", "b", "c"), np.zeros(ITEMS + 1, np.int32))
    shelves = Shelves(vocabulary)
    shelves.take(
        (
            name,
            Item(
                in_stock=bool(random.random() < 0.8),
                category=["a", "b", "c", None][random.integers(4)],
                available_since=int(NOW_MS - random.integers(0, 30) * DAY_MS),
            ),
        )
        for name in names
    )
    counts = random.integers(0, 9, (ITEMS + 1, 2)).astype(np.float64)
    counts[0] = 0
    popularity = Popularity.standing(counts, np.full(ITEMS + 1, NOW_MS), 1)
    return Standing(popularity, shelves.current)


def a_source(kind: str, seed: int) -> Source:
    random, rows = np.random.default_rng(seed), LearntRows(half_life_ms=DAY_MS, keep=8)
    if kind in {"co-visit", "follower"}:
        learner = CoVisitLearner(rows) if kind == "co-visit" else FollowerLearner(rows)
        for at in range(int(random.integers(0, 40))):
            past = UserState(NOW_MS + at, random.integers(1, ITEMS, 5), NOW_MS - np.arange(5))
            learner.learn(past, int(random.integers(1, ITEMS)), 1.0)
        return CoVisits(rows) if kind == "co-visit" else Followers(rows)
    standing = the_shop(seed)
    if kind == "category":
        return PopularInCategories("category", lambda: standing, lambda user: user.categories, "popular in it")
    sources: dict[str, Source] = {one.name: one(lambda: standing) for one in (Popular, Trending, New)}
    return sources[kind]


def told(found: Found | Finds, user: int, k: int) -> list[Any]:
    """The items of a user with their scores and their evidence."""
    if isinstance(found, Found):
        items, scores = found.items, found.scores
        evidence = found.because(items.tolist())
    else:
        n = int(np.count_nonzero(found.items[user]))
        items, scores = found.items[user, :n], found.scores[user, :n]
        evidence = found.because(np.full(n, user), items).told()
        assert not found.scores[user, n:].any()
    assert len(items) <= k
    return [
        (item, pytest.approx(score, rel=1e-5), (one.kind, one.items, one.text, pytest.approx(one.strength, rel=1e-5)))
        for item, score, one in zip(items.tolist(), scores.tolist(), evidence, strict=True)
    ]


@pytest.mark.parametrize("kind", ["co-visit", "follower", "popular", "trending", "new", "category"])
@given(st.lists(states(), min_size=1, max_size=4), st.integers(0, 2**32), st.integers(1, 20))
def test_a_batch_finds_what_its_users_find(kind: str, users: list[UserState], seed: int, k: int) -> None:
    source = a_source(kind, seed)
    assert isinstance(source, BatchSource)
    finds = source.finds(Users(users), k)
    for at, user in enumerate(users):
        assert told(finds, at, k) == told(source.candidates(user, k), 0, k)


def test_the_evidence_of_several_users_comes_in_the_order_in_which_it_is_asked_for() -> None:
    users = Users([UserState(9, np.array([3, 2])), UserState(9, np.array([5]))])
    finds = asked_one_by_one(lambda user: Again().candidates(user, 4), users, 4)
    assert finds.items.tolist() == [[3, 2, 0, 0], [5, 0, 0, 0]]
    assert [one.items for one in finds.because(np.array([1, 0, 0]), np.array([5, 2, 3])).told()] == [(5,), (2,), (3,)]


def test_a_standing_is_worked_out_when_the_counts_or_the_catalogue_change() -> None:
    first, second = the_shop(1), the_shop(2)
    newer = Popularity.standing(second.popularity.counts, np.full(ITEMS + 1, NOW_MS), 2)
    shown = [first, first, Standing(newer, first.assortment)]
    feed = StandingFeed(lambda: shown.pop(0))
    assert feed.current is first
    assert "shelves" in vars(feed.current)
    feed.refresh()
    assert feed.current is first
    feed.refresh()
    assert feed.current.popularity is newer
    assert "shelves" in vars(feed.current)
