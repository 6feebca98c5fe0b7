from pathlib import Path

import numpy as np
import pytest

from freshet.models.vocabulary import Vocabulary


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(("milk-1", "bread-7"), ("bread", "milk"), np.array([0, 2, 0], np.int32))


def test_indices_begin_at_one_and_unknown_items_are_zero(vocabulary: Vocabulary) -> None:
    assert vocabulary.indices(["bread-7", "nothing", None, "", "milk-1"]).tolist() == [2, 0, 0, 0, 1]


def test_an_index_gives_its_item_and_category(vocabulary: Vocabulary) -> None:
    assert (vocabulary.item(1), vocabulary.category(1)) == ("milk-1", "milk")
    assert (vocabulary.item(2), vocabulary.category(2)) == ("bread-7", None)


@pytest.mark.parametrize("index", [0, -1, 3])
def test_an_index_that_is_nobodys_is_refused(vocabulary: Vocabulary, index: int) -> None:
    with pytest.raises(IndexError):
        vocabulary.item(index)


def test_a_vocabulary_survives_being_written(vocabulary: Vocabulary, tmp_path: Path) -> None:
    vocabulary.write(tmp_path / "items.json")
    back = Vocabulary.read(tmp_path / "items.json")
    assert (back.items, back.categories) == (vocabulary.items, vocabulary.categories)
    assert back.item_category.tolist() == vocabulary.item_category.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "nothing",
        '{"items": ["a"], "categories": [], "item_category": []}',
        '{"items": ["a"], "categories": [], "item_category": [1]}',
        '{"items": ["a"], "categories": [], "item_category": [-1]}',
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error has a text of its own
        Vocabulary.read(tmp_path / "items.json")
