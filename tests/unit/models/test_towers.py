"""The nearest items are found, exactly or through a graph, and new ones as soon as they are put in."""

import sys
from pathlib import Path

import numpy as np
import pytest

from freshet.errors import FreshetError
from freshet.models.sources.towers import ExactIndex, GraphIndex, Index, Towers, TowerSource, index_of
from freshet.models.user_state import UserState

ITEMS, WIDTH = 300, 8


@pytest.fixture
def towers() -> Towers:
    rng = np.random.default_rng(5)
    inputs, items = rng.standard_normal((2, ITEMS + 1, WIDTH)).astype(np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    inputs[0] = items[0] = 0
    return Towers(inputs, items, np.array([1.0, 0.5, 0.25], np.float32))


@pytest.fixture(params=["exact", "graph"])
def index(request: pytest.FixtureRequest, towers: Towers) -> Index:
    if request.param == "exact":
        return ExactIndex(towers.items.copy())
    return GraphIndex(towers.items)


def a_user(*items: int) -> UserState:
    return UserState(now_ms=0, items=np.array(items, np.int64))


def test_the_candidates_are_the_nearest_items_in_order(towers: Towers, index: Index) -> None:
    found = TowerSource(towers, index).candidates(a_user(3, 5), 10)
    vector = towers.inputs[3] + 0.5 * towers.inputs[5]
    cosines = towers.items @ (vector / np.linalg.norm(vector))
    assert found.items.tolist() == np.argsort(-cosines)[:10].tolist()
    assert found.scores == pytest.approx(cosines[found.items], abs=1e-5)


def test_vectors_are_compared_part_by_part(towers: Towers, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ExactIndex(towers.items).nearest(towers.items[3], ITEMS)
    monkeypatch.setattr(ExactIndex, "AT_ONCE", 7 * WIDTH)
    parts = ExactIndex(towers.items).nearest(towers.items[3], ITEMS)
    assert parts[0].tolist() == whole[0].tolist()
    assert parts[1] == pytest.approx(whole[1], abs=1e-6)


def test_an_item_that_is_put_in_is_found_at_once(towers: Towers, index: Index) -> None:
    index.put(ITEMS + 1, towers.user(np.array([3, 5])))
    assert TowerSource(towers, index).candidates(a_user(3, 5), 1).items.tolist() == [ITEMS + 1]


def test_an_item_that_moves_is_found_where_it_is(towers: Towers, index: Index) -> None:
    index.put(7, -towers.user(np.array([3, 5])))
    assert 7 not in TowerSource(towers, index).candidates(a_user(3, 5), ITEMS).items
    index.put(7, towers.user(np.array([3, 5])))
    assert TowerSource(towers, index).candidates(a_user(3, 5), 1).items.tolist() == [7]


def test_none_is_found_where_none_is_wanted(towers: Towers, index: Index) -> None:
    assert len(TowerSource(towers, index).candidates(a_user(3, 5), 0).items) == 0


def test_who_has_done_nothing_known_has_no_neighbours(towers: Towers, index: Index) -> None:
    source = TowerSource(towers, index)
    assert len(source.candidates(a_user(), 5).items) == 0
    assert len(source.candidates(a_user(ITEMS + 40), 5).items) == 0  # an item that came after the training


def test_the_evidence_names_the_user_s_items_that_pull_most(towers: Towers) -> None:
    found = TowerSource(towers, ExactIndex(towers.items)).candidates(a_user(3, 5, 9), 5)
    evidence = found.because(found.items[:1].tolist())[0]
    pulls = {
        item: weight * float(towers.inputs[item] @ towers.items[found.items[0]])
        for item, weight in zip((3, 5, 9), (1, 0.5, 0.25), strict=True)
    }
    assert evidence.items == tuple(sorted((item for item in pulls if pulls[item] > 0), key=lambda item: -pulls[item]))
    assert evidence.strength == pytest.approx(float(found.scores[0]), abs=1e-5)


def test_few_vectors_are_compared_one_by_one_and_many_through_a_graph(towers: Towers) -> None:
    assert isinstance(index_of(towers.items), ExactIndex)
    assert isinstance(index_of(towers.items, exact_up_to=100), GraphIndex)


def test_who_lacks_the_package_for_many_vectors_is_told_what_to_install(
    towers: Towers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(FreshetError, match=r"300 vectors .*: run pip install \"freshet\[ann\]\"\."):
        index_of(towers.items, exact_up_to=100)
    assert isinstance(index_of(towers.items), ExactIndex)


def test_towers_come_back_from_their_file(towers: Towers, tmp_path: Path) -> None:
    towers.write(tmp_path / "towers.npz")
    back = Towers.read(tmp_path / "towers.npz")
    for name, value in vars(towers).items():
        assert getattr(back, name) == pytest.approx(value, abs=2e-3)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "towers.npz").write_bytes(b"PK\x03\x04 no such thing")
    with pytest.raises(ValueError, match=r"towers\.npz holds no two towers"):
        Towers.read(tmp_path / "towers.npz")
