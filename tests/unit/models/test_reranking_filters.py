"""Each filter takes away what it names, and counts it; which are left does not depend on the order."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from freshet.models.reranking.config import Filters
from freshet.models.reranking.filters import ORDER, compiled, filtered
from freshet.models.reranking.pool import Names, Past, Pool, among
from freshet.models.user_state import UserState

DAY = 86_400_000
NOW = 100 * DAY
NAMES = Names(item={"milk": 1, "tea": 2}, category={"dairy": 1, "drinks": 2}, brand={"acme": 7})


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


POOL = Pool(
    ints(1, 2, 3, 4),
    np.array([0.4, 0.3, 0.2, 0.1], np.float32),
    categories=ints(1, 2, 1, 0),
    brands=ints(7, 8, 8, 9),
    in_stock=np.array([True, True, True, True]),
)


def left(past: Past, pool: Pool = POOL, **rules: Any) -> tuple[list[int], dict[str, int]]:
    """Items that the filters leave, and what each took away."""
    kept, removed = filtered(pool, past, compiled(Filters.model_validate(rules), NAMES))
    return pool.items[kept].tolist(), removed


def test_the_published_order_of_the_filters() -> None:
    names = [one.__name__ for one in ORDER]
    assert names == [
        "unscored", "duplicate", "purchased", "in_cart", "seen", "recently_played", "out_of_stock", "blocked",
    ]  # fmt: skip


def test_an_item_counts_for_the_first_filter_that_takes_it() -> None:
    past = Past(NOW, bought=ints(1), cart=ints(1, 2), seen=ints(2, 3), played=ints(3), blocked=ints(3, 4))
    assert left(past) == ([], {"purchased": 1, "in_cart": 1, "seen": 1, "blocked": 1})


def test_of_an_item_that_comes_twice_the_better_one_stays() -> None:
    pool = Pool(ints(5, 6, 5, 5), np.array([0.1, 0.2, 0.3, 0.3], np.float32))
    kept, removed = filtered(pool, Past(), compiled(Filters(), NAMES))
    assert kept.tolist() == [False, True, True, False]
    assert removed == {"duplicate": 2}


@pytest.mark.parametrize(
    ("rule", "items"),
    [
        ({"repeat": "never"}, [4]),
        ({"repeat": "always"}, [1, 2, 3, 4]),
        ({"repeat": "after", "days": 30}, [2, 4]),
        ({"repeat": "habit"}, [1, 3, 4]),  # dairy three times
        ({"repeat": "habit", "days": 30}, [1, 2, 3, 4]),
        ({"repeat": "habit", "purchases": 4}, [4]),
        ({"repeat": "habit", "purchases": 4, "categories": ["drinks"]}, [2, 4]),
    ],
)
def test_what_was_bought_comes_back_as_the_repeat_rule_says(rule: dict[str, Any], items: list[int]) -> None:
    past = Past(
        NOW,
        bought=ints(1, 3, 3, 2),
        bought_at=NOW - DAY * ints(1, 2, 3, 60),
        bought_categories=ints(1, 1, 1, 2),
    )
    assert left(past, purchased=rule)[0] == items


def test_a_purchase_of_unknown_time_counts_as_one_of_now() -> None:
    assert left(Past(NOW, bought=ints(1)), purchased={"repeat": "after", "days": 1})[0] == [2, 3, 4]


def test_what_was_seen_or_played_comes_back_after_its_hours() -> None:
    past = Past(
        NOW, seen=ints(1, 2), seen_at=NOW - DAY * ints(0, 2), played=ints(3, 4), played_at=NOW - DAY * ints(0, 2)
    )
    assert left(past, seen={"hours": 24}, recently_played={"hours": 24})[0] == [2, 4]
    assert left(past, seen={}, recently_played=None)[0] == [3, 4]


def test_out_of_stock_is_not_shown_unless_the_placement_wants_it() -> None:
    pool = replace(POOL, in_stock=np.array([False, True, True, False]))
    assert left(Past(), pool)[0] == [2, 3]
    assert left(Past(), pool, out_of_stock=False)[0] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("blocked", "past", "items"),
    [
        ({"items": ["tea", "nothing"]}, Past(), [1, 3, 4]),
        ({"categories": ["dairy"]}, Past(), [2, 4]),
        ({"brands": ["acme"]}, Past(), [2, 3, 4]),
        ({}, Past(blocked=ints(4), blocked_categories=ints(2), blocked_brands=ints(7)), [3]),
    ],
)
def test_blocked_for_all_or_for_one_user(blocked: dict[str, Any], past: Past, items: list[int]) -> None:
    assert left(past, blocked=blocked)[0] == items


def test_a_users_state_tells_what_he_bought_saw_and_holds() -> None:
    user = UserState(NOW, items=ints(3), times=ints(NOW - DAY), bought=ints(1), basket=ints(2))
    assert left(Past.of(user))[0] == [4]
    assert left(Past.of(user), seen={"hours": 12})[0] == [3, 4]


def test_among_tells_what_isin_tells() -> None:
    random = np.random.default_rng(3)
    for size in (0, 1, 5, 50):
        values, wanted = random.integers(0, 60, 40), random.integers(0, 60, size)
        assert among(values, wanted).tolist() == np.isin(values, wanted).tolist()
