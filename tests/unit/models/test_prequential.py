"""The protocols: nothing is known before it happened, ties are predicted as a whole, metrics are those of the books."""

import doctest
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models import prequential as module
from freshet.models.prequential import DEPTH, Log, gains, held_out, in_tie_groups, lift, metrics, prequential
from freshet.models.recommender import Event, Recommender

SECOND_MS = 1_000
EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 12)), min_size=1, max_size=60)


def a_log(events: Sequence[tuple[int, int, int]]) -> Log:
    """Return a log of events (user, item, second)."""
    users, items, seconds = np.array(events, np.int64).T
    names = [f"user-{user}" for user in range(10)], [f"item-{item}" for item in range(50)]
    return Log(users, items, seconds * SECOND_MS, np.ones(len(events)), *names)


@dataclass
class Named:
    item: str


class Witness:
    """Recommends what a test wants, and keeps what it was told and asked."""

    def __init__(self, *items: str) -> None:
        self.items = items
        self.told: list[Event] = []
        self.asked: list[tuple[str, int, int]] = []

    def update(self, event: Event) -> None:
        self.told.append(event)

    def recommend(self, user: str, k: int, *, now_ms: int) -> list[Named]:
        self.asked.append((user, now_ms, len(self.told)))
        return [Named(item) for item in self.items[:k]]


def test_the_examples_hold() -> None:
    assert doctest.testmod(module).failed == 0


@given(EVENTS, st.integers(0, 5))
def test_ties_are_shuffled_within_their_second_and_users_stand_together(
    events: list[tuple[int, int, int]], seed: int
) -> None:
    walked, starts = in_tie_groups(a_log(events), seed)
    rows = list(zip(walked.users.tolist(), walked.items.tolist(), (walked.times // SECOND_MS).tolist(), strict=True))
    assert sorted(rows) == sorted(events)
    assert (np.diff(walked.times) >= 0).all()
    groups = [rows[begin:end] for begin, end in pairwise(starts)]
    keys = [{(user, second) for user, _, second in group} for group in groups]
    assert all(len(key) == 1 for key in keys)
    assert len(set().union(*keys)) == len(groups)


def test_the_order_of_ties_depends_on_the_seed_alone() -> None:
    log = a_log([(0, item, 0) for item in range(20)])
    first, again, other = (in_tie_groups(log, seed)[0].items.tolist() for seed in (1, 1, 2))
    assert first == again != other


@given(EVENTS)
def test_all_that_came_before_a_tie_group_is_learnt_and_nothing_of_it(events: list[tuple[int, int, int]]) -> None:
    witness = Witness()
    prequential(witness, a_log(events), warm_up=0, repeats=True)
    assert len(witness.told) == len(events)
    for user, now_ms, told in witness.asked:
        assert all(event.at_ms <= now_ms for event in witness.told[:told])
        assert not any(event.at_ms == now_ms and event.user == user for event in witness.told[:told])
        assert not any(event.at_ms < now_ms for event in witness.told[told:])


def test_the_other_items_of_a_tie_group_are_no_mistakes() -> None:
    witness = Witness("item-1", "item-2", "item-9", "item-3")
    outcome = prequential(witness, a_log([(0, 8, 0), (0, 1, 1), (0, 2, 1), (0, 3, 1)]), warm_up=1)
    assert sorted(outcome.warm.tolist()) == [1, 1, 2]


def test_the_first_tie_group_of_a_user_is_cold() -> None:
    outcome = prequential(Witness("item-1"), a_log([(0, 1, 0), (0, 2, 0), (0, 3, 1)]), warm_up=0)
    assert sorted(outcome.cold.tolist()) == [0, 1]
    assert outcome.warm.tolist() == [0]


def test_what_the_user_has_had_is_predicted_only_where_lists_may_show_it() -> None:
    log = a_log([(0, 1, 0), (0, 1, 1), (0, 2, 2)])
    assert len(prequential(Witness(), log, warm_up=1).ranks) == 1
    assert len(prequential(Witness(), log, warm_up=1, repeats=True).ranks) == 2


def test_an_item_beyond_the_depth_is_a_miss() -> None:
    witness = Witness(*[f"item-{item}" for item in range(40)])
    outcome = prequential(witness, a_log([(0, 45, 0), (0, DEPTH - 1, 1), (0, DEPTH, 2)]), warm_up=1)
    assert outcome.ranks.tolist() == [DEPTH, 0]


def test_fewer_predictions_are_spread_over_the_stream() -> None:
    log = a_log([(number % 10, number % 50, number) for number in range(1_000)])
    outcome = prequential(Witness("item-0"), log, warm_up=200, repeats=True, predictions=100)
    assert len(outcome.places) == 100
    assert np.diff(outcome.places).tolist() == [8] * 99


def test_coverage_is_the_part_of_the_items_that_lists_show() -> None:
    log = a_log([(0, item, item) for item in range(8)])
    assert prequential(Witness("item-1", "item-2"), log, warm_up=1).coverage == 2 / 8


def test_the_last_item_of_the_latest_sessions_is_held_out_and_never_learnt() -> None:
    early = [(user, item, 10 * user + item) for user in range(8) for item in (1, 2, 3)]
    late = [(8, 1, 90), (9, 5, 91), (8, 2, 92), (9, 6, 93), (9, 7, 94)]
    witness = Witness("item-9", "item-7")
    outcome = held_out(witness, a_log([*early, *late]), test_share=0.2)
    assert outcome.ranks.tolist() == [0, 2]
    assert [user for user, *_ in witness.asked] == ["user-8", "user-9"]
    told = [(event.user, event.item) for event in witness.told]
    assert ("user-7", "item-3") in told
    assert ("user-9", "item-6") in told
    assert ("user-8", "item-2") not in told
    assert ("user-9", "item-7") not in told


def test_a_session_of_one_event_has_nothing_to_hold_out() -> None:
    witness = Witness()
    assert len(held_out(witness, a_log([(0, 1, 0), (1, 2, 1)]), test_share=1.0).ranks) == 0
    assert len(witness.told) == 2


RANKS = st.lists(st.integers(0, DEPTH), min_size=1, max_size=50).map(lambda ranks: np.array(ranks, np.int64))


@given(RANKS, st.sampled_from([10, 20]))
def test_metrics_are_the_means_of_the_definitions(ranks: np.ndarray, k: int) -> None:  # type: ignore[type-arg]
    within = [rank if 1 <= rank <= k else None for rank in ranks.tolist()]
    found = metrics(ranks, k)
    assert found.hr == pytest.approx(np.mean([rank is not None for rank in within]))
    assert found.ndcg == pytest.approx(np.mean([1 / np.log2(rank + 1) if rank else 0.0 for rank in within]))
    assert found.mrr == pytest.approx(np.mean([1 / rank if rank else 0.0 for rank in within]))
    assert gains(ranks, k).mean() == pytest.approx(found.ndcg)


def test_a_lift_that_every_user_has_is_above_nought_and_one_of_a_single_user_is_not() -> None:
    users = np.repeat(np.arange(50), 4)
    theirs = np.full(200, 0.1)
    everybody = lift(theirs + 0.05, theirs, users)
    assert everybody.ratio == pytest.approx(0.5)
    assert everybody.low == pytest.approx(0.05)
    one = lift(np.where(users == 0, 1.0, 0.1), theirs, users)
    assert one.low <= 0 < one.difference < one.high


def test_the_recommender_foresees_a_stream_that_repeats_itself() -> None:
    """Users go through the same films in the same order: from the second user on all is known."""
    log = a_log([(user, item, 100 * user + item) for user in range(10) for item in range(10)])
    outcome = prequential(Recommender(), log, warm_up=30)
    assert metrics(outcome.warm, 10).ndcg > 0.9
    assert metrics(outcome.cold, 10).hr == 1.0
