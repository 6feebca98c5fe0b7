"""Merging keeps every source's share, names each item once, and keeps what all sources said of it."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.merge import Merger, Share
from freshet.models.sources.source import Evidence, Found, each

ITEMS = 30


def a_finding(items: Sequence[int]) -> Found:
    scores = np.linspace(2.0, 1.0, len(items)).astype(np.float32)
    return Found(np.array(items, np.int64), scores, each(lambda item: Evidence("items", (item,), "", 1.0)))


def shares(*quotas: int) -> list[Share]:
    return [Share(f"source-{number}", quota) for number, quota in enumerate(quotas)]


findings = st.lists(st.lists(st.integers(1, ITEMS), unique=True, max_size=ITEMS).map(a_finding), min_size=1, max_size=4)


def test_each_source_brings_in_its_share_and_the_first_ones_fill_up_what_is_left() -> None:
    pool = Merger(ITEMS + 1).pool([a_finding([1, 2, 3, 4]), a_finding([2, 9])], shares(2, 2), k=5)
    assert pool.items.tolist() == [1, 2, 9, 3, 4]
    assert pool.sources.tolist() == [0, 0, 1, 0, 0]


def test_what_a_source_says_of_an_item_is_kept_whoever_brings_it_in() -> None:
    pool = Merger(ITEMS + 1).pool([a_finding([1, 2]), a_finding([2, 1])], shares(1, 1), k=2)
    assert pool.items.tolist() == [1, 2]
    assert pool.scores.tolist() == [[1.0, 0.5], [0.5, 1.0]]


def test_a_weight_multiplies_the_scores_of_its_source() -> None:
    pool = Merger(ITEMS + 1).pool([a_finding([1])], [Share("one", 1, weight=3.0)], k=1)
    assert pool.scores.tolist() == [[3.0]]


def test_sources_that_find_nothing_make_an_empty_pool() -> None:
    pool = Merger(ITEMS + 1).pool([a_finding([]), a_finding([])], shares(3, 3), k=6)
    assert len(pool.items) == 0
    assert pool.scores.shape == (2, 0)


def test_a_merger_makes_room_for_items_that_come_later() -> None:
    merger = Merger(2)
    with pytest.raises(IndexError):
        merger.pool([a_finding([7])], shares(1), k=1)
    merger.make_room(8)
    assert merger.pool([a_finding([7])], shares(1), k=1).items.tolist() == [7]


@given(findings, st.integers(0, 40))
def test_the_pool_is_as_full_as_can_be_and_its_scores_are_those_of_the_sources(found: list[Found], k: int) -> None:
    merger = Merger(ITEMS + 1)
    quotas = shares(*[k // len(found)] * len(found))
    for _ in range(2):  # the second time shows that the first left nothing behind
        pool = merger.pool(found, quotas, k)
        everything = set().union(*(one.items.tolist() for one in found))
        assert len(pool.items) == min(k, len(everything))
        assert len(set(pool.items.tolist())) == len(pool.items)
        for row, one in zip(pool.scores, found, strict=True):
            said = dict(zip(one.items.tolist(), (one.scores / one.scores[:1]).tolist(), strict=True))
            assert row.tolist() == pytest.approx([said.get(item, 0.0) for item in pool.items.tolist()])
        for item, source in zip(pool.items.tolist(), pool.sources.tolist(), strict=True):
            assert item in found[source].items


@given(findings, st.integers(1, 10))
def test_no_source_is_crowded_out_of_its_share(found: list[Found], quota: int) -> None:
    pool = Merger(ITEMS + 1).pool(found, shares(*[quota] * len(found)), quota * len(found))
    for number, one in enumerate(found):
        earlier = set().union(*(each.items.tolist() for each in found[:number]))
        own = [item for item in one.items.tolist() if item not in earlier]
        assert (pool.sources == number).sum() >= min(quota, len(own))
