"""Blending sources, and learning what each counts for."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.blend import LISTS_AT_LEAST, Blend, Pooled, Pooler
from freshet.models.sources.source import Found, nothing_found
from freshet.models.user_state import NOTHING


def a_finding(scores: Mapping[int, float]) -> Found:
    ordered = sorted(scores.items(), key=lambda pair: -pair[1])
    items, values = zip(*ordered, strict=True)
    return Found(np.array(items), np.array(values, np.float32), nothing_found().because)


FINDINGS = st.lists(
    st.dictionaries(st.integers(1, 200), st.floats(0.5, 9.0, width=16), min_size=1, max_size=20), min_size=1, max_size=4
)


@given(FINDINGS, st.sets(st.integers(1, 200), max_size=40))
def test_the_pool_holds_what_every_source_says_of_each_item(findings: list[dict[int, float]], barred: set[int]) -> None:
    pooler, found = Pooler(), [a_finding(one) for one in findings]
    for _ in range(2):  # the second time shows that the first left nothing behind
        pooled = pooler.pool(found, np.array(sorted(barred), np.int64))
        assert pooled.items.tolist() == sorted(set().union(*findings) - barred)
        for row, one in zip(pooled.scores, findings, strict=True):
            allowed = {item: score for item, score in one.items() if item not in barred}
            best = max(allowed.values(), default=1.0)
            expected = [allowed.get(item, 0.0) / best for item in pooled.items.tolist()]
            assert row.tolist() == pytest.approx(expected, rel=1e-6)


def test_nothing_found_makes_an_empty_pool() -> None:
    pooled = Pooler().pool([nothing_found()], NOTHING)
    assert pooled.items.tolist() == []
    assert len(Blend(["a"], np.ones(1)).ranked(pooled, 5)[0]) == 0


def test_a_blend_ranks_by_the_weighted_sum() -> None:
    pooled = Pooler().pool([a_finding({1: 4.0, 2: 2.0}), a_finding({2: 1.0, 3: 0.5})], NOTHING)
    top, scores = Blend(["a", "b"], np.array([1.0, 0.8])).ranked(pooled, 2)
    assert pooled.items[top].tolist() == [2, 1]
    assert scores.tolist() == pytest.approx([0.5 + 0.8, 1.0])


def taken(blend: Blend, source: int, lists: int, seed: int = 0) -> None:
    """Let users take mostly what one source has first, of two sources that have nothing in common."""
    rng = np.random.default_rng(seed)
    for _ in range(lists):
        scores = rng.random((2, 40)).astype(np.float32)
        follows = rng.random() < 0.8
        item = int(np.argmax(scores[source])) if follows else int(rng.integers(40))
        blend.learn(Pooled(np.arange(40), scores), item)


def test_a_source_that_foresees_what_users_take_comes_to_count() -> None:
    blend = Blend(["good", "useless"], np.array([0.0, 1.0]))
    taken(blend, source=0, lists=8 * LISTS_AT_LEAST)
    good, useless = blend.weights
    assert good == 1.0
    assert useless < 0.5


def test_weights_stay_where_nothing_is_better() -> None:
    blend = Blend(["good", "useless"], np.array([1.0, 0.0]))
    taken(blend, source=0, lists=8 * LISTS_AT_LEAST)
    assert blend.weights.tolist() == [1.0, 0.0]


def test_weights_stay_where_learning_is_off() -> None:
    blend = Blend(["good", "useless"], np.array([0.0, 1.0]), is_learning=False)
    taken(blend, source=0, lists=8 * LISTS_AT_LEAST)
    assert blend.weights.tolist() == [0.0, 1.0]


def test_what_no_source_found_moves_nothing() -> None:
    blend = Blend(["a", "b"], np.array([1.0, 0.5]))
    pooled = Pooled(np.array([1, 2]), np.array([[1, 0], [0, 1]], np.float32))
    for _ in range(3 * LISTS_AT_LEAST):
        blend.learn(pooled, 9)
    assert blend.weights.tolist() == [1.0, 0.5]
