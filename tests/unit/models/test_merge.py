"""Merging keeps every source's share, names each item once, and keeps what all sources said of it."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.merge import Merged, Merger, Share
from freshet.models.sources.source import Finds, Reasons

ITEMS = 30


def a_finding(*of_users: Sequence[int]) -> Finds:
    """What one source found for some users."""
    width = max(map(len, of_users), default=0)
    items, scores = np.zeros((len(of_users), width), np.int64), np.zeros((len(of_users), width), np.float32)
    for row, those, found in zip(items, scores, of_users, strict=True):
        row[: len(found)], those[: len(found)] = found, np.linspace(2.0, 1.0, len(found))
    return Finds(items, scores, lambda rows, items: Reasons.of([]))


def pool_of(merged: Merged, user: int = 0) -> tuple[list[int], list[int], list[list[float]]]:
    """The items, the sources and the scores of a user's pool."""
    n = int(np.count_nonzero(merged.items[user]))
    return merged.items[user, :n].tolist(), merged.sources[user, :n].tolist(), merged.scores[:, user, :n].tolist()


def shares(*quotas: int) -> list[Share]:
    return [Share(f"source-{number}", quota) for number, quota in enumerate(quotas)]


findings = st.lists(st.lists(st.integers(1, ITEMS), unique=True, max_size=ITEMS).map(a_finding), min_size=1, max_size=4)


def test_each_source_brings_in_its_share_and_the_first_ones_fill_up_what_is_left() -> None:
    merged = Merger(ITEMS + 1).pools([a_finding([1, 2, 3, 4]), a_finding([2, 9])], shares(2, 2), k=5)
    items, sources, _ = pool_of(merged)
    assert items == [1, 2, 9, 3, 4]
    assert sources == [0, 0, 1, 0, 0]


def test_what_a_source_says_of_an_item_is_kept_whoever_brings_it_in() -> None:
    items, _, scores = pool_of(Merger(ITEMS + 1).pools([a_finding([1, 2]), a_finding([2, 1])], shares(1, 1), k=2))
    assert items == [1, 2]
    assert scores == [[1.0, 0.5], [0.5, 1.0]]


def test_a_weight_multiplies_the_scores_of_its_source() -> None:
    merged = Merger(ITEMS + 1).pools([a_finding([1])], [Share("one", 1, weight=3.0)], k=1)
    assert pool_of(merged)[2] == [[3.0]]


def test_sources_that_find_nothing_make_an_empty_pool() -> None:
    merged = Merger(ITEMS + 1).pools([a_finding([]), a_finding([])], shares(3, 3), k=6)
    assert pool_of(merged) == ([], [], [[], []])


def test_a_merger_makes_room_for_items_that_come_later() -> None:
    merger = Merger(2)
    assert pool_of(merger.pools([a_finding([7, 1])], shares(1), k=1))[0] == [1]  # it does not know 7 yet
    merger.make_room(8)
    assert pool_of(merger.pools([a_finding([9, 7, 1])], shares(1), k=1))[0] == [
        7
    ]  # there is room for 9, but no such item


def test_each_user_of_a_batch_has_a_pool_of_his_own() -> None:
    merged = Merger(ITEMS + 1).pools([a_finding([1, 2], [], [2]), a_finding([3], [3, 1], [2])], shares(1, 1), k=3)
    assert [pool_of(merged, user)[:2] for user in range(3)] == [([1, 3, 2], [0, 1, 0]), ([3, 1], [1, 1]), ([2], [0])]


@given(findings, st.integers(0, 40))
def test_the_pool_is_as_full_as_can_be_and_its_scores_are_those_of_the_sources(found: list[Finds], k: int) -> None:
    merger = Merger(ITEMS + 1)
    quotas = shares(*[k // len(found)] * len(found))
    for _ in range(2):  # the second time shows that the first left nothing behind
        items, sources, scores = pool_of(merger.pools(found, quotas, k))
        everything = set().union(*(one.items[0].tolist() for one in found))
        assert len(items) == min(k, len(everything))
        assert len(set(items)) == len(items)
        for row, one in zip(scores, found, strict=True):
            said = dict(zip(one.items[0].tolist(), (one.scores[0] / one.scores[0, :1]).tolist(), strict=True))
            assert row == pytest.approx([said.get(item, 0.0) for item in items])
        for item, source in zip(items, sources, strict=True):
            assert item in found[source].items[0]


@given(findings, st.integers(1, 10))
def test_no_source_is_crowded_out_of_its_share(found: list[Finds], quota: int) -> None:
    _, sources, _ = pool_of(Merger(ITEMS + 1).pools(found, shares(*[quota] * len(found)), quota * len(found)))
    for number, one in enumerate(found):
        earlier = set().union(*(each.items[0].tolist() for each in found[:number]))
        own = [item for item in one.items[0].tolist() if item not in earlier]
        assert sources.count(number) >= min(quota, len(own))
