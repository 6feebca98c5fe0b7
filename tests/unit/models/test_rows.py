"""Rows of decayed counts, and how those of a user's latest items make scores."""

import doctest
from collections import defaultdict
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.sources import rows as module
from freshet.models.sources.rows import LearntRows, Reading, RowSums

HALF_LIFE_MS = 1_000
PAIRS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.sampled_from([0.25, 1.0, 3.0, 5.0]), st.integers(0, 20_000)),
    min_size=1,
    max_size=40,
)

Pair = tuple[int, int, float, int]


def learnt(pairs: Sequence[Pair], half_life_ms: float = HALF_LIFE_MS) -> LearntRows:
    rows = LearntRows(half_life_ms)
    for key, member, weight, at_ms in pairs:
        rows.add(key, np.array([member]), np.array([weight], np.float32), at_ms)
        rows.count(key, weight, at_ms)
    return rows


def row(rows: LearntRows, key: int) -> dict[int, float]:
    members, counts = (part[0].tolist() for part in rows.of(np.array([key])))
    return {member: count for member, count in zip(members, counts, strict=True) if member}


def by_definition(pairs: Sequence[Pair]) -> dict[int, dict[int, float]]:
    newest = max(at_ms for *_, at_ms in pairs)
    sums: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for key, member, weight, at_ms in pairs:
        sums[key][member] += weight * 2 ** ((at_ms - newest) / HALF_LIFE_MS)
    return sums


def test_the_examples_hold() -> None:
    assert doctest.testmod(module).failed == 0


@given(PAIRS, st.randoms())
def test_counts_are_the_decayed_sums_in_whatever_order_events_come(pairs: list[Pair], random: Random) -> None:
    random.shuffle(pairs)
    rows, expected = learnt(pairs), by_definition(pairs)
    for key in range(1, 5):
        assert row(rows, key) == pytest.approx(expected[key], rel=1e-4, abs=1e-9)
        total = float(rows.totals(np.array([key]))[0])
        assert total == pytest.approx(sum(expected[key].values()), rel=1e-4, abs=1e-9)


def test_counts_outlive_any_number_of_half_lives() -> None:
    pairs = [(1, 2, 1.0, HALF_LIFE_MS * age) for age in range(0, 500, 7)]
    assert row(learnt(pairs), 1) == pytest.approx({2: by_definition(pairs)[1][2]}, rel=1e-4)


def test_one_member_of_many_rows_is_added_as_one_by_one() -> None:
    rows, one_by_one = LearntRows(HALF_LIFE_MS), LearntRows(HALF_LIFE_MS)
    for at_ms, keys in ((0, [1, 2, 3]), (700, [2, 5])):
        weights = np.arange(1, len(keys) + 1, dtype=np.float32)
        rows.add_to_each(np.array(keys), 7, weights, at_ms)
        for key, weight in zip(keys, weights, strict=True):
            one_by_one.add(key, np.array([7]), np.array([weight]), at_ms)
    for key in range(6):
        assert row(rows, key) == pytest.approx(row(one_by_one, key))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=300))
def test_a_full_row_makes_room_for_a_member_that_comes_often(members: list[int]) -> None:
    rows = LearntRows(keep=10)
    for member in [*members, *[90] * 40]:
        rows.add(1, np.array([member]), np.ones(1, np.float32), 0)
    kept = row(rows, 1)
    assert len(kept) <= 15
    assert kept[90] == 40


def test_more_members_at_once_than_a_row_has_places_for_do_not_burst_it() -> None:
    rows = LearntRows(keep=4)
    rows.add(1, np.arange(1, 31), np.arange(1, 31, dtype=np.float32), 0)
    kept = row(rows, 1)
    assert len(kept) <= 6
    assert {29: 29.0, 30: 30.0}.items() <= kept.items()


def test_a_row_that_is_not_there_is_empty() -> None:
    rows = learnt([(1, 2, 1.0, 0)])
    assert row(rows, 1_000) == {}
    assert rows.totals(np.array([1_000])).tolist() == [0.0]


READINGS = st.builds(
    Reading,
    last=st.just(5),
    beyond=st.floats(0, 2),
    fade=st.floats(0.5, 2),
    own=st.sampled_from([0.0, 0.5, 1.0]),
    theirs=st.sampled_from([0.0, 0.5]),
    prior=st.floats(0.5, 3),
)


@given(PAIRS, READINGS, st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True))
def test_scores_are_those_of_the_formula(pairs: list[Pair], reading: Reading, latest: list[int]) -> None:
    rows, counts = learnt(pairs), by_definition(pairs)
    totals = {key: sum(counts[key].values()) + reading.prior for key in range(1, 10)}
    weights = reading.weights(np.arange(1, len(latest) + 1, dtype=np.float32))
    expected: dict[int, float] = defaultdict(float)
    for item, weight in zip(latest, weights.tolist(), strict=True):
        for member, count in counts[item].items():
            expected[member] += weight * count / (totals[item] ** reading.own * totals[member] ** reading.theirs)
    found = RowSums(rows, reading, "items", "near").found(np.array(latest), weights, 9)
    assert dict(zip(found.items.tolist(), found.scores.tolist(), strict=True)) == pytest.approx(
        {item: score for item, score in expected.items() if item in found.items}, rel=1e-3
    )
    assert (np.diff(found.scores) <= 0).all()


def test_the_evidence_names_the_items_behind_the_strongest_first() -> None:
    rows = learnt([(1, 9, 1.0, 0), (2, 9, 5.0, 0), (3, 8, 1.0, 0)], half_life_ms=module.NEVER)
    latest = np.array([1, 2, 3])
    found = RowSums(rows, Reading(3, own=0.0), "items", "near").found(latest, np.ones(3, np.float32), 5)
    evidence = found.because([9])[0]
    assert evidence.items == (2, 1)
    assert evidence.strength == 6.0
