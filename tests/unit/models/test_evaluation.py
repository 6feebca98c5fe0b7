import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.evaluation import TOP, evaluate, outcomes, without_recent
from freshet.models.examples import Examples


def slowly(scores: list[float], bought: list[bool], to_find: int) -> tuple[float, float, float]:
    ranked = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    listed = [bought[place] for place in ranked if scores[place] > -math.inf]
    gain = sum(1 / math.log2(rank + 2) for rank, hit in enumerate(listed[:TOP]) if hit)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(to_find, TOP)))
    first = listed.index(True) + 1 if True in listed else math.inf
    return float(any(listed[:TOP])), gain / ideal, 1 / first


rows = st.lists(
    st.tuples(st.one_of(st.just(-math.inf), st.integers(-3, 3).map(float)), st.booleans()), min_size=1, max_size=50
)


@given(row=rows, elsewhere=st.integers(0, 30))
def test_outcomes_are_those_of_the_definitions(row: list[tuple[float, bool]], elsewhere: int) -> None:
    scores, bought = [score for score, _ in row], [hit for _, hit in row]
    to_find = max(sum(bought) + elsewhere, 1)
    found = outcomes(np.array([scores]), np.array([bought]), np.array([to_find]))
    assert [float(one[0]) for one in found] == pytest.approx(slowly(scores, bought, to_find))


def an_example(candidates: list[int], recent: list[int], bought: list[int]) -> Examples:
    return Examples(
        recent_items=np.array([recent]),
        candidates=np.array([candidates]),
        user_features=np.zeros((1, 7), np.float32),
        candidate_features=np.zeros((1, len(candidates), 5), np.float32),
        bought=np.isin([candidates], bought),
        clicked=np.zeros((1, len(candidates)), np.bool_),
        to_find=np.array([len(bought)]),
    )


def test_recent_items_and_padding_are_never_in_the_list() -> None:
    example = an_example(candidates=[5, 0, 2, 9], recent=[9, 0, 0], bought=[2])
    assert without_recent(np.ones((1, 4)), example).tolist() == [[1.0, -math.inf, 1.0, -math.inf]]


def test_figures_are_means_over_visits() -> None:
    found = an_example([1, 2, 3], [0], bought=[1])
    missed = an_example([1, 2, 3], [0], bought=[9])
    figures = evaluate([found, missed], {"as given": lambda examples: -examples.candidates.astype(float)})["as given"]
    assert (figures.visits, figures.hr_at_20, figures.ndcg_at_20, figures.mrr) == (2, 0.5, 0.5, 0.5)
