from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from freshet.models.candidates import (
    CO_VISIT,
    POPULAR,
    POPULAR_SHARE,
    CovisitTable,
    candidates,
)

ITEMS = 30


@st.composite
def tables(draw: st.DrawFn) -> CovisitTable:
    """Tables whose scores are eighths, so that sums are exact and many of them equal."""
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    neighbours = generator.integers(0, ITEMS + 1, (ITEMS + 1, 6)).astype(np.int32)
    neighbours[0] = 0
    scores = np.where(neighbours > 0, generator.integers(1, 8, neighbours.shape) / 8, 0).astype(np.float32)
    return CovisitTable(neighbours, scores)


recents = st.lists(st.integers(0, ITEMS), max_size=20).map(lambda items: np.array(items, np.int64))
orders = st.permutations(range(1, ITEMS + 1)).map(lambda items: np.array(items, np.int64))


def slowly(
    recent: NDArray[np.int64], table: CovisitTable, popular: NDArray[np.int64], k: int
) -> list[tuple[int, int, float]]:
    """The obvious definition: sum up, sort, cut, top up."""
    totals: dict[int, float] = {}
    for item in recent:
        for neighbour, score in zip(table.neighbours[item], table.scores[item], strict=True):
            totals[int(neighbour)] = totals.get(int(neighbour), 0.0) + float(score)
    able = [item for item, total in totals.items() if item and total and item not in recent]
    best = sorted(able, key=lambda item: (-totals[item], item))[: k - round(k * POPULAR_SHARE)]
    fill = [int(item) for item in popular if item not in recent and item not in best][: k - len(best)]
    return [(item, CO_VISIT, totals[item]) for item in best] + [(item, POPULAR, 0.0) for item in fill]


@given(recent=recents, table=tables(), popular=orders, k=st.integers(1, 40))
def test_candidates_are_those_of_the_obvious_definition(
    recent: NDArray[np.int64], table: CovisitTable, popular: NDArray[np.int64], k: int
) -> None:
    found = candidates(recent, table, popular, k)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == slowly(recent, table, popular, k)


def test_a_user_without_known_items_gets_popular_ones() -> None:
    table = CovisitTable(np.ones((4, 2), np.int32), np.ones((4, 2), np.float32))
    table.neighbours[0], table.scores[0] = 0, 0
    found = candidates(np.zeros(20, np.int64), table, np.array([3, 1, 2]), 2)
    assert found.indices.tolist() == [3, 1]
    assert found.sources.tolist() == [POPULAR, POPULAR]


def test_a_table_survives_being_written(tmp_path: Path) -> None:
    table = CovisitTable(
        np.array([[0, 0], [2, 0], [1, 0]], np.int32), np.array([[0, 0], [0.5, 0], [0.25, 0]], np.float32)
    )
    table.write(tmp_path / "table.npz")
    back = CovisitTable.read(tmp_path / "table.npz")
    assert (back.neighbours == table.neighbours).all()
    assert (back.scores == table.scores).all()
    assert [back.neighbours.dtype, back.scores.dtype] == [np.dtype(np.int32), np.dtype(np.float32)]


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.npz").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match="holds no co-visit table"):
        CovisitTable.read(tmp_path / "table.npz")
