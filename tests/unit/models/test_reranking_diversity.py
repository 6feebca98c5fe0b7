"""The fast greedy orders take what the slow ones take: the largest determinant, the largest marginal relevance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from freshet.models.reranking.config import Diversity
from freshet.models.reranking.diversity import ordering
from freshet.models.reranking.dpp import OWN, Dpp, WindowedDpp, lengths
from freshet.models.reranking.mmr import Mmr

Matrix = NDArray[np.float32]


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Matrix, Matrix]:
    """Quality and vectors; some vectors are the same, so that likeness has to be told from equality."""
    size, width = draw(st.integers(2, 14)), draw(st.integers(1, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    vectors = random.normal(size=(size, width))[random.integers(0, size, size)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return random.random(size).astype(np.float32), vectors.astype(np.float32)


def kernel(quality: Matrix, vectors: Matrix, weight: float) -> NDArray[np.float64]:
    length = lengths(quality, weight).astype(np.float64)
    likeness = vectors.astype(np.float64) @ vectors.T.astype(np.float64) + OWN * np.eye(len(vectors))
    return length[:, None] * likeness * length


def volume(whole: NDArray[np.float64], chosen: Sequence[int]) -> float:
    return float(np.linalg.slogdet(whole[np.ix_(chosen, chosen)])[1])


def taken(order: Any, places: int) -> list[int]:
    found = []
    for _ in range(places):
        found.append(int(order.gains.argmax()))
        order.take(found[-1])
    return found


weights = st.sampled_from([0.0, 0.3, 0.7, 0.95])


@given(candidates(), weights)
def test_a_dpp_takes_whatever_makes_the_determinant_largest(drawn: tuple[Matrix, Matrix], weight: float) -> None:
    quality, vectors = drawn
    whole, chosen = kernel(quality, vectors, weight), taken(Dpp(quality, vectors, weight, len(quality)), len(quality))
    assert sorted(chosen) == list(range(len(quality)))
    for place, position in enumerate(chosen):
        above, rest = chosen[:place], chosen[place:]
        best = max(volume(whole, [*above, other]) for other in rest)
        assert volume(whole, [*above, position]) >= best - 1e-2


@given(candidates(), weights, st.integers(2, 5))
def test_a_windowed_dpp_looks_at_the_last_neighbours_alone(
    drawn: tuple[Matrix, Matrix], weight: float, among: int
) -> None:
    quality, vectors = drawn
    whole, order = kernel(quality, vectors, weight), WindowedDpp(quality, vectors, weight, among)
    chosen = taken(order, len(quality))
    assert sorted(chosen) == list(range(len(quality)))
    for place, position in enumerate(chosen):
        near, rest = chosen[max(0, place - among + 1) : place], chosen[place:]
        best = max(volume(whole, [*near, other]) for other in rest)
        assert volume(whole, [*near, position]) >= best - 1e-2


@given(candidates(), weights)
def test_mmr_takes_what_the_loop_over_all_pairs_takes(drawn: tuple[Matrix, Matrix], weight: float) -> None:
    quality, vectors = drawn
    above: list[int] = []
    order = Mmr(quality, vectors, weight)
    for _ in quality:
        gains = {
            one: weight * quality[one]
            - (1 - weight) * max((float(vectors[one] @ vectors[other]) for other in above), default=-1.0)
            for one in range(len(quality))
            if one not in above
        }
        position = int(order.gains.argmax())
        assert gains[position] == pytest.approx(max(gains.values()), abs=1e-5)
        order.take(position)
        above.append(position)


@given(candidates(), st.sampled_from(["dpp", "mmr"]), st.sampled_from([None, 3]))
def test_an_item_without_a_gain_is_taken_only_when_it_is_told_and_counts_from_then_on(
    drawn: tuple[Matrix, Matrix], method: Any, among: int | None
) -> None:
    quality, vectors = drawn
    rules = Diversity(method=method, weight=0.7, among=among if method == "dpp" else None)
    without, whole = quality.copy(), ordering(rules, quality, vectors, len(quality))
    without[0] = -np.inf
    order = ordering(rules, without, vectors, len(quality))
    assert order.gains[0] == -np.inf
    for position in (1, 0):
        order.take(position)
        whole.take(position)
    assert order.gains[1:] == pytest.approx(whole.gains[1:], rel=1e-3, abs=1e-4)


def test_of_two_equal_items_the_second_comes_after_all_that_are_different() -> None:
    east, north, up = np.eye(3, dtype=np.float32)
    vectors, quality = np.array([east, east, north, up]), np.array([1.0, 0.99, 0.1, 0.0], np.float32)
    assert taken(Dpp(quality, vectors, 0.7, 4), 4) == [0, 2, 3, 1]
    assert taken(Mmr(quality, vectors, 0.4), 4) == [0, 2, 3, 1]


def test_the_more_weight_quality_has_the_nearer_is_its_order() -> None:
    random = np.random.default_rng(7)
    quality, vectors = random.random(60).astype(np.float32), random.normal(size=(60, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    means = [float(quality[taken(Dpp(quality, vectors, weight, 10), 10)].mean()) for weight in (0.0, 0.5, 0.8, 0.99)]
    assert means == sorted(means)
    assert means[0] < means[-1]


def test_a_list_may_be_longer_than_the_vectors_are_wide() -> None:
    quality = np.linspace(1, 0, 9).astype(np.float32)
    vectors = np.tile(np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32), (3, 1))
    assert sorted(taken(Dpp(quality, vectors, 0.8, 9), 9)) == list(range(9))
