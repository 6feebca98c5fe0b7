"""The next basket and the rest of a basket."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from freshet.models.baskets import (
    COLUMNS,
    BasketRanker,
    Example,
    Question,
    Shop,
    ask,
    fit,
    halved,
    outcome,
    paired_lift,
)
from freshet.models.dataset import build_vocabulary, item_kinds, to_events, to_visits
from freshet.models.user_state import UserState

DAY = 24 * 60  # minutes


def questions(purchases: pd.DataFrame, since_day: int = 0) -> list[tuple[Question, int]]:
    """Return each question with the number of habits that its state shows."""
    vocabulary = build_vocabulary(purchases, 1)
    events = to_events(purchases, vocabulary)
    shop = Shop(item_kinds(purchases, vocabulary))
    asked = ask(events, to_visits(events), shop, since_day * DAY * 60_000, 10**15)
    return [(question, len(question.state.habits)) for question in asked]


def test_a_question_knows_all_visits_before_its_own_and_no_more(purchases: Callable[..., pd.DataFrame]) -> None:
    lines = [("u", 0, "a"), ("u", DAY, "b"), ("u", DAY, "c"), ("u", 2 * DAY, "d")]
    assert [known for _, known in questions(purchases(lines))] == [1, 3]


def test_what_is_wanted_has_what_the_household_bought_before(purchases: Callable[..., pd.DataFrame]) -> None:
    ((question, _),) = questions(purchases([("u", 0, "a"), ("u", DAY, "a"), ("u", DAY, "a")]))
    assert question.wanted.tolist() == [1]


def test_visits_before_the_period_are_learnt_and_not_asked_for(purchases: Callable[..., pd.DataFrame]) -> None:
    lines = [("u", day * DAY, item) for day, item in enumerate("abcd")]
    assert [known for _, known in questions(purchases(lines), since_day=3)] == [3]


def a_question(*wanted: int) -> Question:
    return Question(0, 5, UserState(0), np.array(wanted))


def test_half_of_a_basket_is_given_and_the_rest_is_wanted() -> None:
    half = halved(a_question(1, 2, 3, 4, 5), seed=1)
    assert half is not None
    assert len(half.state.basket) == 2
    assert sorted([*half.state.basket.tolist(), *half.wanted.tolist()]) == [1, 2, 3, 4, 5]


def test_the_halves_of_a_visit_are_the_same_for_the_same_seed() -> None:
    first, again = (halved(a_question(*range(1, 20)), seed=3) for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.wanted.tolist() == again.wanted.tolist()


def test_one_item_alone_has_no_rest() -> None:
    assert halved(a_question(1), seed=0) is None


def a_shop() -> Shop:
    shop = Shop(np.array([0, 1, 2, 3, 4]))
    for day in range(10):
        shop.learn(0, np.array([1, 2]), day * 86_400_000)
        shop.learn(1, np.array([3, 4]), day * 86_400_000 + 1)
    return shop


def test_columns_without_a_basket_are_blank_where_they_speak_of_one() -> None:
    _, columns = BasketRanker(a_shop()).columns(UserState(10 * 86_400_000))
    assert columns.shape[1] == len(COLUMNS)
    assert not columns[:, COLUMNS.index("cosine") :].any()


def test_what_is_in_the_basket_is_not_ranked() -> None:
    user = UserState(10 * 86_400_000, basket=np.array([1, 3]))
    assert set(BasketRanker(a_shop()).rank(user).tolist()) == {2, 4}


def test_a_fitted_ranker_puts_the_household_s_own_things_first() -> None:
    shop = a_shop()
    ranker = BasketRanker(shop)
    now_ms = 10 * 86_400_000
    states = [UserState(now_ms, habits=shop.habits.of(user, now_ms)) for user in (0, 1)]
    asked = [(state, wanted) for state, wanted in zip(states, ([1, 2], [3, 4]), strict=True)]
    examples = []
    for state, wanted in asked:
        items, columns = ranker.columns(state)
        examples.append(Example(columns.astype(np.float32), np.isin(items, wanted)))
    ranker.weights = fit(examples)
    assert [set(ranker.rank(state, 2).tolist()) for state, _ in asked] == [{1, 2}, {3, 4}]


def test_the_fit_is_where_the_gradient_of_the_listwise_loss_is_zero() -> None:
    mixed = np.random.default_rng(0)
    examples = [Example(mixed.normal(size=(6, 3)).astype(np.float32), np.arange(6) < 1 + n % 3) for n in range(40)]
    scale = np.concatenate([one.columns for one in examples]).std(axis=0) + 1e-6

    def loss(weights: np.ndarray) -> float:  # type: ignore[type-arg]
        total = 0.0
        for one in examples:
            scores = one.columns @ weights
            logs = scores - np.log(np.exp(scores).sum())
            total -= np.sqrt(one.is_wanted.sum()) * logs[one.is_wanted].mean()
        return total / len(examples) + 0.1 * float(((weights * scale) ** 2).sum())

    weights = fit(examples, ridge=0.1)
    steps = np.eye(3) * 1e-4
    slopes = [(loss(weights + step) - loss(weights - step)) / 2e-4 for step in steps]
    assert slopes == pytest.approx([0.0, 0.0, 0.0], abs=1e-4)


def test_the_figures_of_a_ranking_are_those_worked_out_by_hand() -> None:
    ranked = np.array([9, 1, 8, *range(20, 28), 2])  # 1 in the second place, 2 in the twelfth, 3 nowhere
    found = outcome(ranked, np.array([1, 2, 3]))
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert found == pytest.approx((1 / np.log2(3) / ideal, 1 / 3, 2 / 3, 1.0))


def test_the_interval_of_a_lift_is_wide_where_one_household_makes_it() -> None:
    ours, theirs = np.ones(40), np.ones(40)
    ours[:20] = 2.0
    one, many = (paired_lift(ours, theirs, users) for users in ([0] * 20 + list(range(1, 21)), list(range(40))))
    assert one.share == many.share == pytest.approx(0.5)
    assert one.high - one.low > many.high - many.low
