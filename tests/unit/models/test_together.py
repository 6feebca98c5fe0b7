"""Association rules between the items of a basket."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.sources.together import (
    FOLLOWER_PRIOR,
    LEADER_PRIOR,
    BasketRules,
    Together,
    cosines,
    rules,
    strengths,
)
from freshet.models.user_state import UserState

BREAD, BUTTER, JAM, SOAP = 1, 2, 3, 4
ITEMS = 4

BASKETS = st.lists(st.sets(st.integers(1, ITEMS), min_size=1).map(sorted), max_size=30)


def counted(*baskets: list[int], items: int = ITEMS, kept: int = 200) -> BasketRules:
    found = BasketRules(items, kept)
    for basket in baskets:
        found.learn(np.array(basket))
    return found


def a_cart(*items: int) -> UserState:
    return UserState(now_ms=0, basket=np.array(items, np.int64))


@given(BASKETS)
def test_rows_hold_what_counting_every_pair_gives(baskets: list[list[int]]) -> None:
    found = counted(*baskets)
    pairs = Counter(pair for basket in baskets for pair in permutations(basket, 2))
    rows = found.rows(np.arange(1, ITEMS + 1))
    listed = {
        (leader, member): count
        for leader, members, counts in zip(
            range(1, ITEMS + 1), rows.members.tolist(), rows.counts.tolist(), strict=True
        )
        for member, count in zip(members, counts, strict=True)
        if member
    }
    assert listed == pairs
    assert found.baskets == len(baskets)


def test_a_rule_has_the_support_confidence_and_lift_of_its_definition() -> None:
    found = counted(*[[BREAD, BUTTER]] * 3, [BREAD], [BUTTER], *[[SOAP]] * 5)
    (rule,) = rules(found, np.array([BREAD]), BUTTER)
    assert rule.support == pytest.approx(3 / 10)
    assert rule.confidence == pytest.approx(3 / 4)
    assert rule.lift == pytest.approx((3 / 10) / (4 / 10 * 4 / 10))


def test_rules_to_an_item_come_most_confident_first() -> None:
    found = counted(*[[BREAD, JAM]] * 4, *[[BUTTER, JAM]] * 4, *[[BREAD]] * 6)
    assert [rule.leader for rule in rules(found, np.array([BREAD, BUTTER]), JAM)] == [BUTTER, BREAD]


def test_the_cosine_is_the_mean_over_the_basket() -> None:
    found = counted(*[[BREAD, BUTTER]] * 5, *[[JAM]] * 2)
    expected = 5 / np.sqrt((5 + LEADER_PRIOR) * (5 + FOLLOWER_PRIOR)) / 2
    assert strengths(found, np.array([BREAD, JAM]), ITEMS + 1).cosine[BUTTER] == pytest.approx(expected)


def test_weights_say_how_much_each_leader_counts() -> None:
    found = counted(*[[BREAD, BUTTER]] * 5)
    once, thrice = (cosines(found, np.array([BREAD]), ITEMS + 1, weights=np.array([w])) for w in (1.0, 3.0))
    assert thrice[BUTTER] == pytest.approx(3 * once[BUTTER])


def test_two_items_that_met_too_seldom_make_no_rule() -> None:
    found = Together(counted(*[[BREAD, BUTTER]] * 2), ITEMS + 1).candidates(a_cart(BREAD), 10)
    assert found.items.tolist() == []


def test_what_is_in_the_cart_is_not_proposed() -> None:
    found = Together(counted(*[[BREAD, BUTTER, JAM]] * 5), ITEMS + 1).candidates(a_cart(BREAD, BUTTER), 10)
    assert found.items.tolist() == [JAM]


def test_an_empty_cart_proposes_nothing() -> None:
    assert len(Together(counted(*[[BREAD, BUTTER]] * 5), ITEMS + 1).candidates(a_cart(), 10).items) == 0


def test_a_proposal_names_the_items_of_the_cart_behind_it() -> None:
    found = Together(counted(*[[BREAD, BUTTER]] * 6, *[[SOAP]] * 3), ITEMS + 1).candidates(a_cart(SOAP, BREAD), 10)
    evidence = found.because([BUTTER])[0]
    assert (evidence.kind, evidence.items, evidence.strength) == ("rule", (BREAD,), 1.0)


def test_a_proposal_tells_its_rule_before_the_number_of_all_baskets_has_been_read() -> None:
    counts = counted(*[[BREAD, BUTTER]] * 4)
    counts._baskets = 0
    found = Together(counts, ITEMS + 1).candidates(a_cart(BREAD), 9)
    assert found.items.tolist() == [BUTTER]
    assert found.because([BUTTER])[0].items == (BREAD,)
    assert rules(counts, np.array([BREAD]), BUTTER)[0].lift == 0.0


def test_a_long_row_loses_what_is_everywhere_before_what_belongs() -> None:
    everywhere = [[item] for item in (2, 3, 4, 5)] * 50
    found = counted(*everywhere, *[[1, 2, 3, 4, 5]] * 3, *[[1, 6]] * 3, items=6, kept=2)
    assert 6 in found.rows(np.array([1])).members
