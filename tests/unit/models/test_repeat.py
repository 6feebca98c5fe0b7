"""Habits, and what is likely to be bought again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.features import DAY_MS
from freshet.models.sources.repeat import COLUMNS, HALF_LIVES_MS, HabitBook, LearntLoyalty, Repeat, habit_features
from freshet.models.user_state import Habits, Ints, UserState

MILK, CARD, TEA = 1, 2, 3
USER = 7

VISITS = st.lists(st.tuples(st.integers(0, 40), st.sets(st.integers(1, 30), min_size=1)), min_size=1, max_size=12)


def a_book(*visits: tuple[float, list[int]], user: int = USER) -> HabitBook:
    book = HabitBook()
    for day, basket in visits:
        book.learn(user, np.array(basket), int(day * DAY_MS))
    return book


def ranked(*visits: tuple[float, list[int]], on_day: float, loyalty: LearntLoyalty | None = None) -> list[int]:
    now_ms = int(on_day * DAY_MS)
    user = UserState(now_ms, habits=a_book(*visits).of(USER, now_ms))
    found = Repeat(loyalty or LearntLoyalty(30)).candidates(user, 10)
    return [int(item) for item in found.items]


@given(VISITS)
def test_habits_are_the_decayed_sums_of_all_visits(visits: list[tuple[int, set[int]]]) -> None:
    days = np.cumsum([gap for gap, _ in visits])
    now_ms = int((days[-1] + 3) * DAY_MS)
    habits = a_book(*((day, sorted(basket)) for day, (_, basket) in zip(days.tolist(), visits, strict=True))).of(
        USER, now_ms
    )
    fades = np.exp2(-(now_ms - days[:, None] * DAY_MS) / np.array(HALF_LIVES_MS))
    for item, counts, last_ms in zip(habits.items.tolist(), habits.counts, habits.last_ms.tolist(), strict=True):
        has_it = np.array([item in basket for _, basket in visits])
        np.testing.assert_allclose(counts, fades[has_it].sum(axis=0))
        assert last_ms == days[has_it][-1] * DAY_MS
    assert set(habits.items.tolist()) == set().union(*(basket for _, basket in visits))
    np.testing.assert_allclose(habits.visits, fades.sum(axis=0))


def test_a_reading_of_the_habits_does_not_change_with_later_visits() -> None:
    book = a_book((0, [MILK]))
    before = book.of(USER, DAY_MS)
    book.learn(USER, np.array([MILK]), 2 * DAY_MS)
    assert before.last_ms.tolist() == [0]


def test_a_user_without_a_visit_has_no_habits() -> None:
    assert len(HabitBook().of(USER, 0)) == 0


def test_loyalty_is_the_share_of_repeats_once_there_are_many() -> None:
    loyalty = LearntLoyalty(3)
    for number in range(10_000):
        loyalty.learn(np.array([MILK, CARD]), np.array([MILK] if number % 2 else [], np.int64))
    assert loyalty.loyalty(np.array([MILK, CARD])).tolist() == pytest.approx([0.5, 0.0], abs=0.01)


def test_what_is_bought_at_every_visit_stands_before_what_was_bought_once() -> None:
    assert ranked((0, [MILK]), (7, [MILK, TEA]), (14, [MILK]), on_day=21) == [MILK, TEA]


def test_of_two_items_bought_alike_the_one_that_people_buy_again_stands_first() -> None:
    loyalty = LearntLoyalty(30)
    for _ in range(200):
        loyalty.learn(np.array([CARD, MILK]), np.array([MILK]))
    assert ranked((0, [CARD, MILK]), on_day=7, loyalty=loyalty) == [MILK, CARD]


def test_a_proposal_says_how_firm_the_habit_is() -> None:
    habits = a_book((0, [MILK]), (0, [MILK]), (0, [MILK])).of(USER, 0)
    evidence = Repeat(LearntLoyalty(30)).candidates(UserState(0, habits=habits), 5).because([MILK])[0]
    assert (evidence.kind, evidence.items, evidence.strength) == ("habit", (MILK,), 3.0)


@pytest.mark.parametrize("habits", [Habits(), a_book((0, [TEA])).of(USER, DAY_MS)])
def test_an_item_never_bought_has_no_age_and_is_not_known(habits: Habits) -> None:
    row = habit_features(habits, a_vector(MILK), np.array([0.3]), DAY_MS)[0]
    assert (
        dict(zip(COLUMNS, row.tolist(), strict=True)).items()
        >= {"known": 0.0, "age": 0.0, "known x loyalty": 0.0}.items()
    )


def test_features_of_an_item_do_not_depend_on_which_others_are_asked_for() -> None:
    habits = a_book((0, [TEA, MILK]), (3, [CARD])).of(USER, 4 * DAY_MS)
    together = habit_features(habits, a_vector(9, CARD, MILK), np.full(3, 0.3), 4 * DAY_MS)
    alone = habit_features(habits, a_vector(MILK), np.array([0.3]), 4 * DAY_MS)
    np.testing.assert_array_equal(together[2], alone[0])


def a_vector(*items: int) -> Ints:
    return np.array(items, np.int64)
