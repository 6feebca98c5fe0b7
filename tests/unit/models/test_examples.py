"""The fast walk equals the obvious reading of each event log, and no example knows its visit or what comes after."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from freshet.models import features
from freshet.models.dataset import build_vocabulary, to_events, to_visits
from freshet.models.examples import Examples, Moment, Questions, Walk, ask, joined
from freshet.models.vocabulary import Vocabulary

MINUTE_MS = 60_000
CATEGORY = {"a": "bread", "b": "bread", "c": "milk", "d": None, "e": "fruit"}
FAR = 10**15

lines = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3"]),
        # Often within a session or a window of one another, sometimes days apart.
        st.one_of(st.integers(0, 90), st.integers(0, 5000)),
        st.sampled_from("abcde"),
        st.sampled_from([0.0, 1.5, 20.0]),
    ),
    min_size=1,
    max_size=50,
)
moments = st.sampled_from(list(Moment))


def a_shop(lines: list[tuple[str, int, str, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(lines, columns=["user", "at", "item", "value"])
    frame = frame.assign(
        at=frame["at"] * MINUTE_MS,
        department="GROCERY",
        category=frame["item"].map(CATEGORY).astype(object),
        kind="any",
    )
    frame["category"] = frame["category"].replace({np.nan: None})  # type: ignore[dict-item]
    return frame.sort_values("at", kind="stable", ignore_index=True)


def a_vocabulary() -> Vocabulary:
    """All items but d, which has no category, and e, which stands for one that was bought too seldom."""
    return Vocabulary(("a", "b", "c"), ("bread", "fruit", "milk"), np.array([0, 1, 1, 3], np.int32))


def examples_of(frame: pd.DataFrame, moment: Moment) -> tuple[Questions, list[Examples]]:
    """Every visit as one example over the whole vocabulary."""
    vocabulary = a_vocabulary()
    events = to_events(frame, vocabulary)
    visits = to_visits(events)
    walk = Walk(events, visits, len(vocabulary.categories), vocabulary.item_category)
    questions = ask(visits, -FAR, FAR, moment)
    return questions, list(walk.answer(questions, lambda recent, popular, targets: np.array([1, 2, 3]), 1))


def slowly(frame: pd.DataFrame, moment: Moment) -> Iterator[dict[str, NDArray[np.float64]]]:
    """The same from the definitions, visit by visit in order of time, then of user."""
    vocabulary = a_vocabulary()
    index_of = vocabulary.index_of
    pairs = sorted({(int(at), str(user)) for user, at in zip(frame["user"], frame["at"], strict=True)})
    found = []
    for at, user in pairs:
        mine = frame[frame["user"] == user]
        before = mine[mine["at"] < at]
        visit = mine[mine["at"] == at]
        if before.empty:
            continue
        as_of = at if moment is Moment.VISIT else int(before["at"].max())
        log = frame[frame["at"] < at] if moment is Moment.VISIT else frame[frame["at"] <= as_of]
        recent = [index_of.get(item, 0) for item in before["item"].tail(20)][::-1]
        known = [item for item in recent if item]
        targets = {index_of.get(item, 0) for item in visit["item"]} - {0} - set(known)
        if targets:
            found.append(((as_of, user), the_inputs(log, before, as_of, known, targets)))
    return iter([inputs for _, inputs in sorted(found, key=lambda one: one[0])])


def the_inputs(
    log: pd.DataFrame, mine: pd.DataFrame, as_of: int, known: list[int], targets: set[int]
) -> dict[str, NDArray[np.float64]]:
    raw_user = [*windows(mine, as_of), *session(mine, as_of)]
    raw = []
    for item in "abc":
        own, kin = log[log["item"] == item], mine[mine["category"] == CATEGORY[item]]
        affinities = [decayed(kin, as_of, half_life) for half_life in features.AFFINITY_HALF_LIVES_MS]
        popularities = [decayed(own, as_of, half_life) for half_life in features.POPULARITY_HALF_LIVES_MS]
        raw.append([*affinities, *popularities])
    return {
        "recent": np.array(known + [0] * (20 - len(known))),
        "user": features.user_features([raw_user])[0],
        "candidates": features.candidate_features(*np.array(raw).T),
        "bought": np.array([item in targets for item in (1, 2, 3)]),
    }


def windows(mine: pd.DataFrame, as_of: int) -> list[float]:
    panes = [(5, 1), (60, 5), (24 * 60, 30)]
    inside = []
    for length, pane in panes:
        newest = as_of // (pane * MINUTE_MS)
        number = mine["at"] // (pane * MINUTE_MS)
        inside.append(mine[(number <= newest) & (number > newest - length // pane)])
    return [*(float(len(rows)) for rows in inside), float(inside[-1]["value"].sum())]


def session(mine: pd.DataFrame, as_of: int) -> list[float]:
    times = sorted(mine["at"].tolist(), reverse=True)
    kept: list[int] = []
    later = as_of
    for time in times:
        if later - time >= 30 * MINUTE_MS:
            break
        kept.append(time)
        later = time
    return [float(len(kept)), 0.0, (kept[0] - kept[-1]) / 1000 if kept else 0.0]


def decayed(rows: pd.DataFrame, as_of: int, half_life: int) -> float:
    return float(sum(2.0 ** (-(as_of - at) / half_life) for at in rows["at"]))


@given(lines=lines, moment=moments)
def test_every_input_is_what_its_definition_says(lines: list[tuple[str, int, str, float]], moment: Moment) -> None:
    frame = a_shop(lines)
    _, found = examples_of(frame, moment)
    expected = list(slowly(frame, moment))
    assert len(found) == len(expected)
    for one, inputs in zip(found, expected, strict=True):
        assert one.recent_items[0].tolist() == inputs["recent"].tolist()
        assert np.allclose(one.user_features[0], inputs["user"], rtol=1e-5, atol=1e-6)
        assert np.allclose(one.candidate_features[0], inputs["candidates"], rtol=1e-5, atol=1e-6)
        assert one.bought[0].tolist() == inputs["bought"].tolist()
        assert one.to_find[0] == inputs["bought"].sum()


@given(lines=lines, moment=moments, chosen=st.integers(0, 10_000))
def test_no_feature_knows_the_visit_or_anything_after_it(
    lines: list[tuple[str, int, str, float]], moment: Moment, chosen: int
) -> None:
    frame = a_shop(lines)
    instants = sorted(frame["at"].unique())
    cut = instants[chosen % len(instants)]
    after = frame["at"] >= cut
    changed = frame.assign(
        item=frame["item"].where(~after, "c"),  # known, so that both shops ask the same questions
        category=frame["category"].where(~after, "milk"),
        value=frame["value"].where(~after, 999.0),
    )
    before, otherwise = (inputs_at(shop, moment, int(cut)) for shop in (frame, changed))
    shared = before.keys() & otherwise.keys()
    for user in shared:
        for left, right in zip(before[user], otherwise[user], strict=True):
            assert np.array_equal(left, right)


def inputs_at(frame: pd.DataFrame, moment: Moment, at: int) -> dict[int, tuple[NDArray[Any], ...]]:
    """The inputs of each user's visit at an instant, unless there was nothing to find in it."""
    vocabulary = a_vocabulary()
    events = to_events(frame, vocabulary)
    visits = to_visits(events)
    walk = Walk(events, visits, len(vocabulary.categories), vocabulary.item_category)
    questions = ask(visits, at, at + 1, moment)
    result: dict[int, tuple[NDArray[Any], ...]] = {}
    for position in range(len(questions)):
        one = questions.take(np.array([position]))
        for found in walk.answer(one, lambda recent, popular, targets: np.array([1, 2, 3]), 1):
            result[int(one.user[0])] = (found.recent_items, found.user_features, found.candidate_features)
    return result


def test_an_idle_users_session_is_over_at_the_next_visit() -> None:
    frame = a_shop([("u1", 0, "a", 1.0), ("u1", 29, "a", 1.0), ("u1", 59, "b", 1.0)])
    (at_visit,), (at_event,) = (examples_of(frame, moment)[1][-1:] for moment in Moment)
    assert at_visit.user_features[0, 4] == 0.0
    assert at_event.user_features[0, 4] == pytest.approx(np.log1p(2.0))
    assert at_event.user_features[0, 6] == pytest.approx(np.log1p(29 * 60))


def test_a_users_first_visit_makes_no_example() -> None:
    frame = a_shop([("u1", 0, "a", 1.0), ("u2", 1, "b", 1.0)])
    assert examples_of(frame, Moment.VISIT)[1] == []


def test_joined_questions_are_answered_in_order_of_time() -> None:
    frame = a_shop([("u1", 0, "a", 1.0), ("u1", 10, "b", 1.0), ("u2", 1, "b", 1.0), ("u2", 20, "c", 1.0)])
    vocabulary = build_vocabulary(frame, 1)
    events = to_events(frame, vocabulary)
    visits = to_visits(events)
    walk = Walk(events, visits, len(vocabulary.categories), vocabulary.item_category)
    both = joined([ask(visits, 0, FAR, moment) for moment in Moment])
    popular_orders = []

    def choose(recent: NDArray[np.int64], popular: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
        popular_orders.append(popular.tolist())
        return targets[:1]

    found = [vocabulary.item(int(one.candidates[0, 0])) for one in walk.answer(both, choose, 1)]
    assert found == ["b", "c", "b", "c"]  # as of minutes 0, 1, 10 and 20
    assert all(sorted(order) == [1, 2, 3] for order in popular_orders)
