"""Matrix factors: the estimates are those of the paper's equations, learning finds tastes, and parts explain the sum."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.factors import Factors, learn_factors
from freshet.models.sources.als import Als
from freshet.models.user_state import NOTHING, Ints, UserState

ITEMS, WIDTH = 40, 6


def random_factors(seed: int = 3) -> Factors:
    items = np.random.default_rng(seed).standard_normal((ITEMS + 1, WIDTH)).astype(np.float32)
    items[0] = 0.0
    return Factors(items, confidence=7.0, regularisation=2.0)


def a_user(*items: int) -> UserState:
    return UserState(now_ms=0, items=np.array(items, np.int64))


def tastes(seed: int = 1) -> tuple[Ints, Ints]:
    """Of 60 users each likes the first or the second half of the items, and has eight of it."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(60), 8)
    half = np.where(users % 2, ITEMS // 2, 0)
    return users, half + rng.integers(1, ITEMS // 2 + 1, len(users))


@given(st.sets(st.integers(1, ITEMS), min_size=1), st.integers(0, 99))
def test_the_factors_of_a_user_solve_the_normal_equations(items: set[int], seed: int) -> None:
    factors, had = random_factors(seed), np.array(sorted(items))
    all_items, his = factors.items.astype(np.float64), factors.items[had].astype(np.float64)
    left = all_items.T @ all_items + 2.0 * np.eye(WIDTH) + 7.0 * his.T @ his
    expected = np.linalg.solve(left, 8.0 * his.sum(axis=0))
    assert factors.weights(had) @ factors.pulls[had] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_the_candidates_are_the_best_estimates_of_what_the_user_lacks() -> None:
    factors, had = random_factors(), np.array([3, 5])
    found = Als(factors).candidates(a_user(5, 3, 5), 10)
    estimates = factors.items @ (factors.weights(had) @ factors.pulls[had])
    estimates[had] = -np.inf
    expected = [item for item in np.argsort(-estimates).tolist() if estimates[item] > 0][:10]
    assert found.items.tolist() == expected
    assert found.scores == pytest.approx(estimates[expected])


def test_users_of_one_taste_are_shown_what_the_others_of_it_have() -> None:
    users, items = tastes()
    source = Als(learn_factors(users, items, ITEMS, width=2))
    first, second = source.candidates(a_user(1, 2), 8), source.candidates(a_user(ITEMS, ITEMS - 1), 8)
    assert first.items.max() <= ITEMS // 2 < second.items.min()


def test_a_sweep_more_never_fits_worse() -> None:
    users, items = tastes()
    assert loss(users, items, sweeps=8) <= loss(users, items, sweeps=2) <= loss(users, items, sweeps=1)


def loss(users: Ints, items: Ints, sweeps: int) -> float:
    """The paper's objective, each user's factors being the best for those of the items."""
    factors = learn_factors(users, items, ITEMS, width=2, confidence=5.0, regularisation=0.5, sweeps=sweeps)
    had = np.zeros((60, ITEMS + 1))
    had[users, items] = 1.0
    own = [factors.weights(mine) @ factors.pulls[mine] for mine in map(np.flatnonzero, had)]
    misses = (1 + 5.0 * had) * (had - np.array(own) @ factors.items.T) ** 2
    return float(misses[:, 1:].sum() + 0.5 * ((np.array(own) ** 2).sum() + (factors.items**2).sum()))


def test_what_comes_twice_counts_once_and_unknown_items_do_not_count() -> None:
    users, items = tastes()
    once = learn_factors(users, items, ITEMS, width=WIDTH)
    more = learn_factors(np.tile(users, 3), np.concatenate((items, items, 0 * items)), ITEMS, width=WIDTH)
    assert more.items.tolist() == once.items.tolist()
    assert not once.items[0].any()


def test_the_evidence_is_the_items_that_add_most() -> None:
    factors, had = random_factors(), np.array([3, 5, 9])
    found = Als(factors).candidates(a_user(*had), 5)
    item = int(found.items[0])
    parts = factors.weights(had) * (factors.pulls[had] @ factors.items[item])
    [evidence] = found.because([item])
    assert evidence.items == tuple(had[at] for at in np.argsort(-parts).tolist() if parts[at] > 0)[:3]
    assert evidence.strength == pytest.approx(parts.sum(), rel=1e-4) == pytest.approx(float(found.scores[0]))


@pytest.mark.parametrize("items", [(), (ITEMS + 3,)])
def test_nothing_is_found_for_who_has_nothing_known(items: tuple[int, ...]) -> None:
    assert Als(random_factors()).candidates(a_user(*items), 5).items.tolist() == []


def test_a_model_without_factors_finds_nothing() -> None:
    assert Als(Factors.none(ITEMS)).candidates(a_user(3), 5).items.tolist() == []


def test_nobody_teaches_nothing() -> None:
    assert not learn_factors(NOTHING, NOTHING, ITEMS, width=WIDTH).items.any()


def test_factors_come_back_from_their_file(tmp_path: Path) -> None:
    factors = random_factors()
    factors.write(tmp_path / "als.npz")
    back = Factors.read(tmp_path / "als.npz")
    assert back.items == pytest.approx(factors.items, rel=1e-3)
    assert (back.confidence, back.regularisation) == (7.0, 2.0)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"\x93NUMPY", b"no npz"])
def test_a_file_that_holds_no_factors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "als.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"als\.npz holds no factors"):
        Factors.read(tmp_path / "als.npz")
