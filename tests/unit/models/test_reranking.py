"""A list of the re-ranking holds its rules wherever that can be, is never short, and can say what moved each item."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.reranking.batch import BatchReranker, Pools
from freshet.models.reranking.config import Rules
from freshet.models.reranking.fill import NOBODY
from freshet.models.reranking.moves import Move
from freshet.models.reranking.pool import Names, Past, Pool
from freshet.models.reranking.rerank import Reranked, Reranker

HOUR = 3_600_000
NAMES = Names(
    item={f"i{n}": n for n in range(1, 200)},
    category={f"c{n}": n for n in range(1, 10)},
    brand={f"b{n}": n for n in range(1, 10)},
    source={f"s{n}": n for n in range(1, 10)},
)
BARE: dict[str, Any] = {
    "scene": "search",
    "diversity": {"method": "none"},
}
"""No filter that a pool without a past could meet, no rule for places, and the model's order."""


def rules(**more: Any) -> Rules:
    return Rules.model_validate({**BARE, **more})


def a_pool(scores: Sequence[float], **more: Any) -> Pool:
    """Items 1, 2 ... with scores."""
    return Pool(np.arange(1, len(scores) + 1), np.array(scores, np.float32), **more)


def items(pool: Pool, made: Reranked) -> list[int]:
    return [int(item) for item in pool.items[made.positions]]


def a_list(pool: Pool, length: int = 5, past: Past | None = None, **more: Any) -> list[int]:
    return items(pool, Reranker(rules(**more), NAMES).rerank(pool, length, past or Past()))


def falling(count: int) -> list[float]:
    return [1 - number / 100 for number in range(count)]


def codes(*values: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(values, np.int64)


def test_without_rules_a_list_has_the_order_of_the_model() -> None:
    assert a_list(a_pool([0.1, 0.9, 0.5]), 2) == [2, 3]


def test_an_empty_pool_makes_an_empty_list() -> None:
    assert a_list(a_pool([])) == []


def test_a_score_that_is_no_number_never_gets_on_a_list() -> None:
    made = Reranker(rules(), NAMES).rerank(a_pool([np.nan, 0.2, np.inf]), 3)
    assert made.positions.tolist() == [1]
    assert made.removed == {"unscored": 2}


@pytest.mark.parametrize(
    ("boost", "first"),
    [
        ({"items": ["i2"]}, 2),
        ({"categories": ["c3"]}, 3),
        ({"brands": ["b4"]}, 4),
        ({"sources": ["s2"]}, 2),
        ({"price_from": 3, "price_to": 4}, 3),
        ({"promoted": True}, 4),
        ({"categories": ["c3", "c4"], "price_from": 4}, 4),
        ({"brands": ["nobody"]}, 1),
    ],
)
def test_a_boost_raises_that_for_which_all_holds_that_it_names(boost: dict[str, Any], first: int) -> None:
    own = codes(1, 2, 3, 4)
    pool = a_pool(
        falling(4),
        categories=own,
        brands=own,
        sources=own,
        prices=own.astype(np.float32),
        promoted=np.array([False, False, False, True]),
    )
    assert a_list(pool, boosts=[{"name": "more of it", "log_odds": 1.0, **boost}])[0] == first


def test_an_event_rule_raises_its_category_for_its_user() -> None:
    pool = a_pool(falling(3), categories=codes(1, 2, 2))
    assert a_list(pool, past=Past(boosts={2: 1.0})) == [2, 3, 1]


def test_novelty_favours_what_few_have_met_by_the_bit() -> None:
    pool = a_pool([0.0, 0.0, 0.0], popularity=np.array([0.5, 0.125, 0.0], np.float32))
    made = Reranker(rules(novelty=0.1)).rerank(pool, 3)
    assert made.scores.tolist() == pytest.approx([2.0, 0.3, 0.1])


def test_an_item_shown_in_vain_is_demoted_and_at_last_withheld_while_there_are_others() -> None:
    pool = a_pool([0.3, 0.2, 0.1], shown=codes(9, 4, 0))
    exposure = {"demote_after": 3, "log_odds": -0.2, "withhold_after": 9}
    made = Reranker(rules(exposure=exposure)).rerank(pool, 3)
    assert items(pool, made) == [3, 2, 1]
    assert made.scores.tolist() == pytest.approx([0.1, 0.2 - 2 * 0.2, 0.3 - 7 * 0.2])
    assert made.relaxed == [(), (), ("exposure",)]


def test_the_second_best_of_an_author_keeps_half_of_what_is_above_the_floor() -> None:
    pool = a_pool([0.0, 0.0, 0.0, 0.0], brands=codes(1, 1, 1, 0))
    made = Reranker(rules(decay={"by": "brand"})).rerank(pool, 4)
    kept = dict(zip(items(pool, made), np.exp(made.scores).tolist(), strict=True))
    assert kept == pytest.approx({1: 1.0, 2: 0.625, 3: 0.4375, 4: 1.0})


def test_a_composed_score_is_reward_times_probability_times_decay_times_relevance() -> None:
    pool = a_pool(
        [0.0, 0.0],
        probabilities={"click": np.array([0.5, 0.2], np.float32), "purchase": np.array([0.1, 0.2], np.float32)},
        steps=np.array([2, 0], np.float32),
        relevance=np.array([3.0, 0.0], np.float32),
    )
    score = {"how": "composed", "rewards": {"click": 1, "purchase": 5}, "relevance": 2}
    made = Reranker(rules(score=score)).rerank(pool, 2)
    assert np.exp(made.scores).tolist() == pytest.approx([(0.5 + 0.5) * 0.9**2 * 3**2, (0.2 + 1.0) * 0.1**2])


def test_scenes_weigh_outcomes_differently() -> None:
    pool = a_pool(
        [0.0, 0.0],
        probabilities={"click": np.array([0.5, 0.1], np.float32), "purchase": np.array([0.01, 0.06], np.float32)},
    )
    first = {
        scene: a_list(pool, scene=scene, score={"how": "composed"})[0] for scene in ("home", "search", "detail", "cart")
    }
    assert first == {"home": 1, "search": 2, "detail": 2, "cart": 2}


def test_a_pool_without_probabilities_keeps_the_order_of_the_model() -> None:
    assert a_list(a_pool([0.1, 0.2]), score={"how": "composed"}) == [2, 1]


def test_a_pinned_item_stands_on_its_place_and_nowhere_else() -> None:
    pins = [{"item": "i5", "place": 1}, {"item": "i1", "place": 3}]
    assert a_list(a_pool(falling(6)), 4, pins=pins) == [5, 2, 1, 3]


def test_a_pin_beyond_the_end_of_a_short_list_takes_its_last_place() -> None:
    assert a_list(a_pool(falling(3)), 20, pins=[{"item": "i1", "place": 9}]) == [2, 3, 1]


def test_a_pinned_item_that_a_filter_took_away_is_not_shown() -> None:
    stock = np.array([False, True, True])
    assert a_list(a_pool(falling(3), in_stock=stock), pins=[{"item": "i1", "place": 1}]) == [2, 3]


def test_a_slot_is_for_a_new_item_that_has_hardly_been_shown() -> None:
    pool = a_pool(falling(6), ages_ms=codes(99, 99, 99, 1, 1, -1) * HOUR, impressions=codes(0, 0, 0, 5000, 10, 0))
    assert a_list(pool, 4, new_items={"places": [2]}) == [1, 5, 2, 3]


def test_a_slot_goes_to_the_next_best_when_there_is_no_new_item() -> None:
    assert a_list(a_pool(falling(3), ages_ms=codes(99, 99, 99) * HOUR), 3, new_items={"places": [1]}) == [1, 2, 3]


def test_a_slot_without_a_new_item_is_no_broken_rule() -> None:
    made = Reranker(rules(new_items={"places": [1, 2]})).rerank(a_pool(falling(3), ages_ms=codes(99, 1, 99) * HOUR), 3)
    assert made.positions.tolist() == [1, 0, 2]
    assert made.relaxed == [(), (), ()]


def test_no_more_of_a_category_than_a_window_allows_stand_together() -> None:
    pool = a_pool(falling(6), categories=codes(1, 1, 1, 1, 2, 3))
    assert a_list(pool, 6, windows=[{"by": "category", "most": 2, "places": 3}]) == [1, 2, 5, 3, 4, 6]


def test_a_window_takes_the_pinned_item_below_into_account() -> None:
    pool = a_pool(falling(4), categories=codes(1, 2, 3, 1))
    made = a_list(pool, 3, windows=[{"by": "category", "most": 1, "places": 2}], pins=[{"item": "i4", "place": 2}])
    assert made == [2, 4, 3]


def test_a_window_is_relaxed_rather_than_the_list_left_short_and_the_list_says_so() -> None:
    pool = a_pool(falling(3), categories=codes(1, 1, 1))
    made = Reranker(rules(windows=[{"by": "category", "most": 1, "places": 2}]), NAMES).rerank(pool, 3)
    assert made.positions.tolist() == [0, 1, 2]
    assert made.relaxed == [(), ("category window",), ("category window",)]


def test_the_window_named_last_gives_way_first() -> None:
    pool = a_pool(falling(3), categories=codes(1, 1, 2), brands=codes(1, 2, 1))
    category, brand = ({"by": by, "most": 1, "places": 2} for by in ("category", "brand"))
    assert a_list(pool, 2, windows=[category, brand]) == [1, 3]
    assert a_list(pool, 2, windows=[brand, category]) == [1, 2]


def test_quotas_hold_at_least_and_at_most() -> None:
    pool = a_pool(falling(10), sources=codes(1, 1, 1, 1, 1, 1, 2, 2, 3, 3))
    quotas = [{"by": "source", "name": "s1", "at_most": 0.5}, {"by": "source", "name": "s3", "at_least": 2}]
    assert a_list(pool, 6, quotas=quotas) == [1, 2, 3, 7, 9, 10]


def test_a_quota_waits_for_no_more_items_than_there_are() -> None:
    pool = a_pool(falling(4), sources=codes(1, 1, 1, 3))
    assert a_list(pool, 3, quotas=[{"by": "source", "name": "s3", "at_least": 2}]) == [1, 2, 4]


def test_a_quota_may_hold_for_any_so_many_neighbours() -> None:
    pool = a_pool(falling(8), sources=codes(1, 1, 1, 1, 1, 1, 2, 2))
    assert a_list(pool, 6, quotas=[{"by": "source", "name": "s2", "at_least": 1, "places": 3}]) == [1, 2, 7, 3, 4, 8]


def test_a_quota_of_nothing_keeps_a_source_away_while_there_are_others() -> None:
    pool = a_pool(falling(3), sources=codes(1, 2, 1))
    assert a_list(pool, 2, quotas=[{"by": "source", "name": "s1", "at_most": 0}]) == [2, 1]


def test_a_list_says_which_rules_moved_an_item_and_from_where() -> None:
    pool = a_pool(falling(4), categories=codes(1, 1, 1, 2), promoted=np.array([False, False, True, False]))
    made = Reranker(
        rules(
            boosts=[{"name": "promotion", "log_odds": 1.0, "promoted": True}],
            windows=[{"by": "category", "most": 1, "places": 2}],
        )
    ).rerank(pool, 3)
    assert items(pool, made) == [3, 4, 1]
    assert made.moves == [
        (Move("promotion", 3, 1),),
        (Move("category window", 4, 2),),
        (Move("category window", 2, 3),),
    ]


def test_a_list_says_what_diversity_lifted() -> None:
    east, north = [1.0, 0.0], [0.0, 1.0]
    pool = a_pool(falling(3), vectors=np.array([east, east, north], np.float32))
    made = Reranker(rules(diversity={"method": "mmr", "weight": 0.4})).rerank(pool, 3)
    assert items(pool, made) == [1, 3, 2]
    assert made.moves == [(), (Move("diversity", 3, 2),), (Move("diversity", 2, 3),)]


def test_what_rules_name_and_nobody_knows_is_told() -> None:
    quota = {"by": "brand", "name": "b99", "at_most": 1}
    ranker = Reranker(rules(quotas=[quota], pins=[{"item": "i1", "place": 1}, {"item": "gone", "place": 2}]), NAMES)
    assert ranker.unknown == ["item gone", "brand b99"]


# ---- Laws ---------------------------------------------------------------------------------------------------------------


@st.composite
def pools(draw: st.DrawFn, least: int = 0, most: int = 40) -> Pool:
    size = draw(st.integers(least, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = draw(st.integers(1, 6))
    vectors = random.normal(size=(size, draw(st.integers(1, 8)))).astype(np.float32)
    clicks = random.random(size).astype(np.float32)
    return Pool(
        items=random.permutation(100)[:size] + 1,
        scores=random.normal(size=size).astype(np.float32),
        sources=random.integers(0, kinds, size),
        categories=random.integers(0, kinds + 1, size),
        brands=random.integers(0, 2 * kinds, size),
        prices=random.gamma(2, 2, size).astype(np.float32),
        ages_ms=random.integers(-1, 50, size) * HOUR,
        popularity=random.random(size).astype(np.float32) * random.integers(0, 2, size),
        impressions=random.integers(0, 2000, size),
        shown=random.poisson(1, size),
        in_stock=random.random(size) < 0.9,
        promoted=random.random(size) < 0.3,
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        probabilities={"click": clicks, "purchase": clicks / 7},
        relevance=random.gamma(2, 0.5, size).astype(np.float32),
        steps=random.integers(0, 9, size).astype(np.float32),
    )


pasts = st.integers(0, 2**32).map(np.random.default_rng).map(
    lambda random: Past(
        now_ms=1000 * HOUR,
        bought=random.integers(1, 101, 9),
        bought_at=random.integers(0, 1000, 9) * HOUR,
        bought_categories=random.integers(0, 4, 9),
        cart=random.integers(1, 101, 3),
        seen=random.integers(1, 101, 9),
        seen_at=random.integers(900, 1000, 9) * HOUR,
        played=random.integers(1, 101, 5),
        blocked=random.integers(1, 101, 2),
        blocked_brands=random.integers(1, 9, 1),
    )
)  # fmt: skip

everything = st.builds(
    lambda scene, method, among, how, pins, fields: Rules.model_validate(
        {
            "scene": scene,
            "filters": {"purchased": {"repeat": "habit", "days": 10}, "seen": {"hours": 24}},
            "score": {"how": how},
            "boosts": [{"name": "promotion", "log_odds": 0.5, "promoted": True}],
            "novelty": 0.05,
            "exposure": {"demote_after": 2, "withhold_after": 3},
            "decay": {"by": "brand"},
            "diversity": {"method": method, "best_of": 12, "among": among if method == "dpp" else None},
            "pins": pins,
            "windows": [{"by": by, "most": 1, "places": 3} for by in fields],
            "quotas": [
                {"by": "source", "name": "s1", "at_least": 2},
                {"by": "source", "name": "s2", "at_most": 0.3},
                {"by": "category", "name": "c2", "at_least": 1, "places": 4},
            ],
            "new_items": {"places": [2, 5]},
        }
    ),
    st.sampled_from(["home", "search", "detail", "cart"]),
    st.sampled_from(["dpp", "mmr", "none"]),
    st.sampled_from([None, 2, 4]),
    st.sampled_from(["model", "composed"]),
    st.sampled_from([[], [{"item": "i3", "place": 2}], [{"item": f"i{n}", "place": n} for n in range(1, 60, 3)]]),
    st.lists(st.sampled_from(["category", "brand", "source"]), unique=True),
)


@given(pools(), pasts, everything, st.integers(1, 25))
def test_a_list_is_as_long_as_the_filters_allow_with_nothing_twice_and_every_score_a_number(
    pool: Pool, past: Past, given_rules: Rules, length: int
) -> None:
    made = Reranker(given_rules, NAMES).rerank(pool, length, past)
    assert len(made.positions) == min(length, len(pool) - sum(made.removed.values()))
    assert len(set(made.positions.tolist())) == len(made.positions)
    assert np.isfinite(made.scores).all()
    assert len(made.moves) == len(made.relaxed) == len(made.positions)
    assert all(1 <= move.before <= len(pool) and move.before != move.after for one in made.moves for move in one)


@given(pools(), pasts, everything, st.randoms(use_true_random=False))
def test_what_is_filtered_does_not_depend_on_the_order_of_the_candidates(
    pool: Pool, past: Past, given_rules: Rules, random: Any
) -> None:
    order = np.array(random.sample(range(len(pool)), len(pool)), np.int64)
    ranker = Reranker(given_rules, NAMES)
    straight, mixed = ranker.rerank(pool, 10, past), ranker.rerank(permuted(pool, order), 10, past)
    assert mixed.removed == straight.removed
    assert set(order[mixed.left].tolist()) == set(np.flatnonzero(straight.left).tolist())


def permuted(pool: Pool, order: np.ndarray[Any, np.dtype[np.int64]]) -> Pool:
    arrays = {name: value[order] for name, value in vars(pool).items() if isinstance(value, np.ndarray)}
    return replace(pool, **arrays, probabilities={name: one[order] for name, one in pool.probabilities.items()})


@given(pools(least=30), st.integers(1, 10), st.integers(0, 5), st.integers(0, 5))
def test_quotas_of_a_source_hold_wherever_its_candidates_allow_it(
    pool: Pool, length: int, first: int, second: int
) -> None:
    asked = {name: least for name, least in (("s1", first), ("s2", second)) if least}
    quotas = [{"by": "source", "name": name, "at_least": least} for name, least in asked.items()]
    made = Reranker(rules(quotas=quotas, filters={"out_of_stock": False}), NAMES).rerank(pool, length)
    assert pool.sources is not None
    there, listed = Counter(pool.sources.tolist()), Counter(pool.sources[made.positions].tolist())
    wanted = {NAMES.source[name]: min(least, there[NAMES.source[name]], length) for name, least in asked.items()}
    if sum(wanted.values()) <= length:
        assert all(listed[source] >= least for source, least in wanted.items())


@given(pools(least=25), st.integers(1, 4))
def test_a_quota_at_most_holds_while_there_are_others(pool: Pool, most: int) -> None:
    quota = {"by": "source", "name": "s1", "at_most": most}
    made = Reranker(rules(quotas=[quota], filters={"out_of_stock": False}), NAMES).rerank(pool, 10)
    assert pool.sources is not None
    others = int((pool.sources != 1).sum())
    assert (pool.sources[made.positions] == 1).sum() <= max(most, 10 - others)


# ---- A batch at once -----------------------------------------------------------------------------------------------------


def batch_of(pools_of_users: Sequence[Pool]) -> Pools:
    """The pools of some users one behind the other, filled up to the longest."""
    size = max(1, *map(len, pools_of_users))
    columns: dict[str, Any] = {}
    for name in vars(pools_of_users[0]):
        parts = [getattr(pool, name) for pool in pools_of_users]
        if isinstance(parts[0], np.ndarray) and name != "vectors":
            columns[name] = np.concatenate([np.pad(part, (0, size - len(part))) for part in parts])
    outcomes = pools_of_users[0].probabilities
    columns["probabilities"] = {
        outcome: np.concatenate([np.pad(pool.probabilities[outcome], (0, size - len(pool))) for pool in pools_of_users])
        for outcome in outcomes
    }
    width = max(pool.vectors.shape[1] for pool in pools_of_users if pool.vectors is not None)
    vectors = [np.pad(pool.vectors, ((0, size - len(pool)), (0, width - pool.vectors.shape[1])))
               for pool in pools_of_users if pool.vectors is not None]  # fmt: skip
    rows = np.arange(len(pools_of_users) * size)
    return Pools(Pool(**columns), len(pools_of_users), np.concatenate(vectors).astype(np.float32), rows)


plain = st.builds(
    lambda method, fields, withhold, best_of: Rules.model_validate(
        {
            "filters": {"purchased": {"repeat": "habit", "days": 10}, "seen": {"hours": 24}},
            "boosts": [{"name": "promotion", "log_odds": 0.5, "promoted": True}],
            "novelty": 0.05,
            "exposure": {"demote_after": 2, "withhold_after": withhold},
            "decay": {"by": "brand"},
            "diversity": {"method": method, "best_of": best_of},
            "windows": [{"by": by, "most": 1, "places": 3} for by in fields],
            "new_items": {"places": [2, 5]},
        }
    ),
    st.sampled_from(["dpp", "none"]),
    st.lists(st.sampled_from(["category", "brand", "source"]), unique=True),
    st.sampled_from([2, None]),
    st.sampled_from([5, 150]),
)
"""Rules that compiled code fills lists by."""


event_boosts = st.dictionaries(st.integers(1, 5), st.floats(-1, 1), max_size=2)


@given(
    st.lists(st.tuples(pools(), pasts, event_boosts), min_size=1, max_size=4),
    st.one_of(plain, everything),
    st.integers(1, 25),
)
def test_the_lists_of_a_batch_are_those_that_are_made_one_by_one(
    users: list[tuple[Pool, Past, dict[int, float]]], given_rules: Rules, length: int
) -> None:
    drawn = [pool for pool, _, _ in users]
    theirs = [replace(past, boosts=boosts, now_ms=past.now_ms + at) for at, (_, past, boosts) in enumerate(users)]
    lists = BatchReranker(given_rules, NAMES).rerank(batch_of(drawn), length, theirs)
    for user, (pool, past) in enumerate(zip(drawn, theirs, strict=True)):
        made = Reranker(given_rules, NAMES).rerank(pool, length, past)
        n = len(made.positions)
        assert lists.positions[user].tolist() == [*made.positions.tolist(), *[NOBODY] * (length - n)]
        assert lists.scores[user, :n] == pytest.approx(made.scores)
        assert [set(moves) for moves in lists.moves[user]] == [set(moves) for moves in made.moves]


def test_a_batch_without_users_has_no_lists() -> None:
    nothing = np.zeros(0, np.int64)
    pools_of_nobody = Pools(Pool(nothing, np.zeros(0, np.float32)), 0, np.zeros((1, 2), np.float32), nothing)
    assert BatchReranker(rules(), NAMES).rerank(pools_of_nobody, 3, []).moves == []
