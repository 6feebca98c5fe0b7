"""Like items: the cosine of what is said of them, the nearest in stock, and what stands for an item that has no score."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from freshet.models.assortment import Item, Shelves
from freshet.models.likeness import MODEL_SHARE, Likeness, LikenessFeed, Terms, centred
from freshet.models.vocabulary import Vocabulary

SHOP = {
    "black tea": Item(category="tea", product_type="black", brand="x", price=2.0, title="Black tea, strong"),
    "other black tea": Item(category="tea", product_type="black", brand="y", price=2.1, title="Black tea, mild"),
    "dear black tea": Item(category="tea", product_type="black", brand="y", price=40.0, title="Black tea, rare"),
    "green tea": Item(category="tea", product_type="green", brand="x", price=2.0, title="Green tea"),
    "soap": Item(category="soap", brand="x", price=1.0, title="Soap"),
    "salt": Item(category="salt", price=9.0, title="Salt"),
}
NAMES = list(SHOP)


def shelves_of(shop: dict[str, Item], known: int = 0) -> Shelves:
    items = tuple(shop)[:known]
    shelves = Shelves(Vocabulary(items, (), np.zeros(len(items) + 1, np.int32)))
    shelves.take(shop.items())
    return shelves


@pytest.fixture
def likeness() -> Likeness:
    return Likeness.of(shelves_of(SHOP).current)


def nearest(likeness: Likeness, item: str, k: int = 5, among: list[str] | None = None) -> list[str]:
    mask = None if among is None else np.array([False, *(name in among for name in NAMES)])
    found, _ = likeness.nearest(NAMES.index(item) + 1, k, mask)
    return [NAMES[index - 1] for index in found.tolist()]


def test_the_nearest_is_of_the_same_kind_and_price(likeness: Likeness) -> None:
    assert nearest(likeness, "black tea", 3) == ["other black tea", "dear black tea", "green tea"]
    assert nearest(likeness, "dear black tea", 1) == ["other black tea"]


def test_only_what_may_be_found_is_found(likeness: Likeness) -> None:
    assert nearest(likeness, "black tea", among=["green tea", "black tea", "soap"]) == ["green tea", "soap"]
    assert nearest(likeness, "black tea", among=[]) == []


def test_what_has_nothing_in_common_is_not_like_it(likeness: Likeness) -> None:
    assert nearest(likeness, "salt") == []


def test_likeness_is_a_cosine(likeness: Likeness) -> None:
    table = np.array([likeness.to(item) for item in range(1, len(likeness) + 1)])[:, 1:]
    np.testing.assert_allclose(table, table.T, atol=1e-6)
    np.testing.assert_allclose(table.diagonal(), 1.0, atol=1e-6)
    assert table.min() >= 0
    assert table.max() <= 1 + 1e-6


@pytest.mark.parametrize("item", [-1, 0, 7])
def test_what_is_not_described_is_like_nothing(likeness: Likeness, item: int) -> None:
    assert not likeness.to(item).any()
    assert len(likeness.nearest(item, 3)[0]) == 0


@st.composite
def weighted_terms(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], int]:
    size, count = draw(st.integers(2, 12)), draw(st.integers(1, 8))
    matrix = draw(arrays(np.float64, (size, count), elements=st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0])))
    matrix[0] = 0
    items, terms = np.nonzero(matrix)
    return items, terms, matrix[items, terms], size


@given(weighted_terms())
def test_cosines_by_lists_of_terms_are_those_of_the_whole_matrix(
    drawn: tuple[NDArray[Any], NDArray[Any], NDArray[Any], int],
) -> None:
    items, terms, weights, size = drawn
    whole = np.zeros((size, int(terms.max(initial=-1)) + 1))
    whole[items, terms] = weights
    whole *= np.log1p((size - 1) / np.maximum((whole > 0).sum(axis=0), 1))
    lengths = np.linalg.norm(whole, axis=1, keepdims=True)
    whole /= np.where(lengths > 0, lengths, 1)
    found = Terms.of(items, terms, weights, size)
    for item in range(size):
        np.testing.assert_allclose(found.cosines(item), whole @ whole[item], atol=1e-5)


@given(st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.9]), min_size=2, max_size=30), st.integers(1, 6))
def test_the_nearest_are_those_of_a_full_sort(scores: list[float], k: int) -> None:
    class Given(Likeness):
        def __len__(self) -> int:
            return len(scores)

        def to(self, item: int) -> NDArray[Any]:
            return np.array([0.7, *scores], np.float32)

    likeness = Likeness.of(shelves_of(SHOP).current)
    found, values = Given(likeness.terms, None, 0).nearest(1, k)
    slowly = sorted((-value, index) for index, value in enumerate(scores, start=1) if value > 0 and index != 1)[:k]
    assert found.tolist() == [index for _, index in slowly]
    assert values.tolist() == [np.float32(-value) for value, _ in slowly]


def test_the_models_vectors_have_their_share_where_both_items_have_one() -> None:
    vectors = np.array([[9, 9], [2, 0], [0, 2], [2, 0], [0, 0]], np.float32)
    current = shelves_of(SHOP).current
    alone, together = Likeness.of(current), Likeness.of(current, vectors)
    said, both = alone.to(1), together.to(1)
    cosine = np.maximum(centred(vectors) @ centred(vectors)[1], 0)
    np.testing.assert_allclose(both[1:4], (1 - MODEL_SHARE) * said[1:4] + MODEL_SHARE * cosine[1:4], atol=1e-6)
    np.testing.assert_allclose(both[4:], (1 - MODEL_SHARE) * said[4:], atol=1e-6)
    np.testing.assert_allclose(together.to(4), alone.to(4), atol=1e-6)


def test_vectors_are_compared_without_what_they_all_share() -> None:
    moved = centred(np.array([[5, 5], [11, 10], [9, 10], [0, 0]], np.float32))
    np.testing.assert_allclose(moved, [[0, 0], [1, 0], [-1, 0], [0, 0]], atol=1e-6)


def test_an_item_that_the_model_does_not_know_is_stood_for_by_the_one_most_like_it() -> None:
    likeness = Likeness.of(shelves_of(SHOP).current)
    known = 2  # both black teas at two dollars
    assert [likeness.proxy(item, known) for item in range(1, 7)] == [1, 2, 2, 1, 0, 0]


def test_a_new_item_is_described_when_the_feed_is_refreshed_and_a_price_asks_for_nothing() -> None:
    shelves = shelves_of(SHOP)
    feed = LikenessFeed(lambda: shelves.current)
    before = feed.current
    shelves.take([("salt", SHOP["salt"]._replace(price=5.0, in_stock=False))])
    feed.refresh()
    assert feed.current is before
    shelves.take([("sea salt", SHOP["salt"])])
    feed.refresh()
    assert feed.current.nearest(6, 1)[0].tolist() == [7]


def test_an_empty_catalogue_has_no_like_items() -> None:
    likeness = Likeness.of(shelves_of({}).current)
    assert len(likeness.nearest(1, 3)[0]) == 0
    assert len(Likeness.of(shelves_of({"a": Item(), "b": Item()}).current).nearest(1, 3)[0]) == 0
