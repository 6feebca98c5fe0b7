"""The synthetic sessions: the same from the same seed, marked as synthetic, and such as people might make."""

from collections import Counter, defaultdict
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from freshet.replay.sessions import DAY_MS, Sessions, next_midnight
from freshet.replay.tastes import Tastes
from freshet.schemas.avro import Encoder

START = 1_514_851_200_000  # 2018-01-02T00:00:00Z
Event = dict[str, Any]


@pytest.fixture(scope="module")
def category(products: pd.DataFrame) -> dict[str, str]:
    """The category of each item."""
    return dict(zip(products["product_id"].astype(str), products["product_category"], strict=True))


@pytest.fixture(scope="module")
def events(tastes: Tastes) -> list[Event]:
    return take(Sessions(tastes, users=500, start_ms=START, seed=7), 30_000)


@pytest.fixture(scope="module")
def by_session(events: list[Event]) -> dict[str, list[Event]]:
    sessions = defaultdict(list)
    for event in events:
        sessions[event["session_id"]].append(event)
    return sessions


def take(sessions: Sessions, count: int) -> list[Event]:
    return list(islice(sessions.events(), count))


def test_the_same_seed_gives_the_same_events(tastes: Tastes, events: list[Event]) -> None:
    assert take(Sessions(tastes, users=500, start_ms=START, seed=7), 5_000) == events[:5_000]


def test_another_seed_gives_other_events_under_other_ids(tastes: Tastes, events: list[Event]) -> None:
    others = take(Sessions(tastes, users=500, start_ms=START, seed=8), 5_000)
    assert not {event["event_id"] for event in others} & {event["event_id"] for event in events}
    assert [event["item_id"] for event in others] != [event["item_id"] for event in events[:5_000]]


def test_ids_are_unique_and_say_synthetic(events: list[Event]) -> None:
    assert len({event["event_id"] for event in events}) == len(events)
    for event in events:
        assert event["event_id"].startswith("synthetic-")
        assert event["session_id"].startswith("synthetic-")
        assert event["context"]["source"] == "synthetic"


def test_events_come_in_time_order_from_the_start_on(events: list[Event]) -> None:
    times = [event["event_time"] for event in events]
    assert times == sorted(times)
    assert times[0] >= START


def test_every_event_fits_the_schema(events: list[Event]) -> None:
    encode = Encoder("interactions", 1)
    assert all(encode(event) for event in events)


def test_items_are_named_by_item_events_only_and_stand_in_the_catalogue(events: list[Event], tastes: Tastes) -> None:
    known = set(tastes.items)
    for event in events:
        of_a_category = event["event_type"] in {"search", "category_view"}
        assert (event["item_id"] is None) == of_a_category
        assert of_a_category or event["item_id"] in known
    assert all("query" in event["context"] for event in events if event["event_type"] == "search")


def test_all_kinds_occur_and_each_is_rarer_than_the_one_before_it(events: list[Event]) -> None:
    kinds = Counter(event["event_type"] for event in events)
    assert set(kinds) == {"search", "category_view", "click", "view", "add_to_cart", "remove_from_cart", "purchase"}
    assert kinds["view"] > kinds["add_to_cart"] > kinds["purchase"] > kinds["remove_from_cart"]


def test_a_session_belongs_to_one_user_who_has_one_at_a_time(by_session: dict[str, list[Event]]) -> None:
    spans = defaultdict(list)
    for session in by_session.values():
        [user] = {event["user_id"] for event in session}
        spans[user].append((session[0]["event_time"], session[-1]["event_time"]))
    for of_user in spans.values():
        assert all(end < start for (_, end), (start, _) in pairwise(sorted(of_user)))


def test_only_what_lies_in_the_cart_is_bought_or_taken_out(by_session: dict[str, list[Event]]) -> None:
    for session in by_session.values():
        cart: Counter[str] = Counter()
        for event in session:
            if event["event_type"] == "add_to_cart":
                cart[event["item_id"]] += 1
            elif event["event_type"] in {"remove_from_cart", "purchase"}:
                assert cart[event["item_id"]] > 0
                cart[event["item_id"]] -= 1


def test_a_view_carries_its_dwell_and_a_purchase_its_price(events: list[Event]) -> None:
    for event in events:
        if event["event_type"] in {"view", "purchase"}:
            assert event["value"] > 0
        else:
            assert event["value"] is None


def test_session_lengths_have_a_middle_and_a_tail(by_session: dict[str, list[Event]]) -> None:
    low, median, high = np.percentile([len(session) for session in by_session.values()], [5, 50, 99])
    assert low >= 2
    assert 6 <= median <= 16
    assert high > 3 * median


def test_popularity_falls_off_like_zipf(events: list[Event]) -> None:
    counts = [count for _, count in Counter(event["item_id"] for event in events if event["item_id"]).most_common(500)]
    slope, _ = np.polyfit(np.log(np.arange(1, len(counts) + 1)), np.log(counts), 1)
    assert -1.2 < slope < -0.4


def test_households_look_at_what_they_buy(
    events: list[Event], lines: pd.DataFrame, products: pd.DataFrame, category: dict[str, str]
) -> None:
    """A user's viewed categories fit the own household's purchases better than those of another one."""
    bought = bought_categories(lines, products)
    users = sorted({event["user_id"] for event in events})
    another = dict(zip(users, users[1:] + users[:1], strict=True))
    views = [(event["user_id"], category[event["item_id"]]) for event in events if event["event_type"] == "view"]
    own = sum(bought[user].get(viewed, 0.0) for user, viewed in views)
    foreign = sum(bought[another[user]].get(viewed, 0.0) for user, viewed in views)
    assert own > 1.5 * foreign


def bought_categories(lines: pd.DataFrame, products: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return each household's shares of categories."""
    merged = lines[["household_id", "product_id"]].merge(products[["product_id", "product_category"]], on="product_id")
    counts = merged.groupby(["household_id", "product_category"]).size().reset_index(name="lines")
    bought: dict[str, dict[str, float]] = defaultdict(dict)
    for household, name, count in counts.to_numpy():
        bought[str(household)][name] = count
    return {user: {name: n / sum(of.values()) for name, n in of.items()} for user, of in bought.items()}


def test_the_next_item_is_often_of_the_same_category(
    by_session: dict[str, list[Event]], category: dict[str, str]
) -> None:
    views = [[e["item_id"] for e in session if e["event_type"] == "view"] for session in by_session.values()]
    same = [category[one] == category[other] for items in views for one, other in pairwise(items)]
    assert sum(same) / len(same) > 0.7


def test_users_beyond_the_households_are_twins_under_their_own_ids(tastes: Tastes) -> None:
    few_days = take(Sessions(tastes, users=3 * len(tastes.households), start_ms=START, seed=1), 40_000)
    twins = {event["user_id"] for event in few_days if "-" in event["user_id"]}
    assert twins
    assert {twin.split("-")[1] for twin in twins} == {"2", "3"}
    assert {twin.split("-")[0] for twin in twins} <= set(tastes.households)


def test_one_user_is_enough(tastes: Tastes) -> None:
    alone = take(Sessions(tastes, users=1, start_ms=START, seed=1), 200)
    assert len({event["user_id"] for event in alone}) == 1


def test_sessions_go_on_at_the_midnight_after_the_data() -> None:
    assert next_midnight(pd.Series([START - 1, START - DAY_MS])) == START
    assert next_midnight(pd.Series([START])) == START + DAY_MS
