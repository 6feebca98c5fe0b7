from collections.abc import Callable
from datetime import date

import pandas as pd
import pytest

from freshet.errors import FreshetError
from freshet.models.dataset import Split, build_vocabulary, item_kinds, to_events, to_visits

Purchases = Callable[..., pd.DataFrame]


def test_the_vocabulary_is_ordered_by_baskets_then_id_and_leaves_out_rare_items(purchases: Purchases) -> None:
    lines = [
        ("u1", 1, "a"),
        ("u1", 1, "a"),
        ("u1", 1, "c"),
        ("u2", 1, "c"),
        ("u1", 2, "b"),
        ("u2", 2, "b"),
        ("u2", 3, "b"),
    ]
    vocabulary = build_vocabulary(purchases(lines, dict.fromkeys("abc", "bread")), 2)
    assert vocabulary.items == ("b", "c")  # a was bought twice, but in one basket


def test_equally_popular_items_are_ordered_by_id(purchases: Purchases) -> None:
    assert build_vocabulary(purchases([("u1", 1, "b"), ("u1", 1, "a")]), 1).items == ("a", "b")


def test_an_item_without_category_or_that_nobody_wants_listed_is_left_out(purchases: Purchases) -> None:
    frame = purchases([("u1", 1, "a"), ("u1", 1, "b"), ("u1", 1, "c")], {"a": "bread", "b": None, "c": "fuel"})
    frame.loc[frame["item"] == "c", "department"] = "FUEL"
    vocabulary = build_vocabulary(frame, 1)
    assert vocabulary.items == ("a",)
    assert vocabulary.categories == ("bread", "fuel")  # its events still tell of the user


def test_a_window_with_too_few_purchases_is_refused(purchases: Purchases) -> None:
    with pytest.raises(FreshetError, match="No item was bought in 5 baskets"):
        build_vocabulary(purchases([("u1", 1, "a")]), 5)


def test_an_item_without_a_type_is_of_kind_zero(purchases: Purchases) -> None:
    frame = purchases([("u1", 1, "a"), ("u1", 1, "b")])
    frame.loc[frame["item"] == "b", "kind"] = None
    assert item_kinds(frame, build_vocabulary(frame, 1)).tolist() == [0, 1, 0]


def test_a_visit_is_what_one_user_bought_at_one_instant(purchases: Purchases) -> None:
    frame = purchases([("u2", 5, "a"), ("u1", 5, "b"), ("u1", 5, "a"), ("u1", 7, "a")])
    events = to_events(frame, build_vocabulary(frame, 1))
    visits = to_visits(events)
    found = [
        (int(user), int(at) // 60_000, events.item[start:end].tolist(), int(first))
        for user, at, start, end, first in zip(
            visits.user, visits.at, visits.start, visits.end, visits.first, strict=True
        )
    ]
    assert found == [(0, 5, [2, 1], 0), (0, 7, [1], 0), (1, 5, [1], 3)]


def test_a_split_whose_days_are_not_in_order_is_refused() -> None:
    with pytest.raises(FreshetError, match="not in order"):
        Split(test=date(2017, 10, 1)).check()
