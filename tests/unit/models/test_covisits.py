from collections.abc import Callable

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.covisits import POPULARITY_PENALTY, SAME_VISIT, learn_covisits
from freshet.models.dataset import build_vocabulary, to_events, to_visits
from freshet.models.features import RECENT

Purchases = Callable[..., pd.DataFrame]
MINUTE_MS = 60_000

lines = st.lists(
    st.tuples(st.sampled_from(["u1", "u2", "u3"]), st.integers(0, 9), st.sampled_from("abcde")), min_size=1, max_size=60
)


def slowly(frame: pd.DataFrame, until_ms: int) -> dict[tuple[str, str], float]:
    """The score of each ordered pair of items, from the definition."""
    pairs: dict[tuple[str, str], float] = {}
    bought: dict[str, int] = {}
    for _, mine in frame[frame["at"] < until_ms].groupby("user"):
        for at, visit in mine.groupby("at"):
            now, before = set(visit["item"]), set(mine[mine["at"] < at]["item"].tail(RECENT))
            for j in now:
                bought[j] = bought.get(j, 0) + 1
                for i in before | now:
                    count = (i in before) + SAME_VISIT * (i in now)
                    pairs[i, j] = pairs.get((i, j), 0.0) + count
    power = POPULARITY_PENALTY
    return {(i, j): n / (bought[i] ** (1 - power) * bought[j] ** power) for (i, j), n in pairs.items() if i != j}


@given(lines=lines)
def test_the_table_holds_the_best_scores_of_the_definition(lines: list[tuple[str, int, str]]) -> None:
    frame = pd.DataFrame(lines, columns=["user", "at", "item"]).assign(
        department="GROCERY", category="bread", kind="any", value=1.0
    )
    frame["at"] *= MINUTE_MS
    frame = frame.sort_values("at", kind="stable", ignore_index=True)
    vocabulary = build_vocabulary(frame, 1)
    events = to_events(frame, vocabulary)
    table = learn_covisits(events, to_visits(events), len(vocabulary), 8 * MINUTE_MS, k=3)
    expected = slowly(frame, 8 * MINUTE_MS)
    for index, item in enumerate(vocabulary.items, start=1):
        best = sorted((score for (i, _), score in expected.items() if i == item), reverse=True)[:3]
        row = table.scores[index][table.scores[index] > 0]
        assert np.allclose(row, best, rtol=1e-5)
        for neighbour, score in zip(table.neighbours[index], table.scores[index], strict=True):
            assert (score > 0) == (neighbour > 0)
            if neighbour:
                assert np.isclose(expected[item, vocabulary.item(int(neighbour))], score, rtol=1e-5)


def test_what_is_bought_after_the_window_is_not_learnt(purchases: Purchases) -> None:
    frame = purchases([("u1", 0, "a"), ("u1", 1, "b"), ("u1", 9, "c")])
    vocabulary = build_vocabulary(frame, 1)
    events = to_events(frame, vocabulary)
    table = learn_covisits(events, to_visits(events), len(vocabulary), 9 * MINUTE_MS)
    a, b, c = vocabulary.indices("abc")
    assert table.neighbours[a].tolist()[:1] == [b]
    assert not table.scores[b].any()
    assert not table.scores[c].any()
