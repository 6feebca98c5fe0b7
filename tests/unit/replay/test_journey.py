"""The real purchases: all of them, each once, in one order, under ids that never change."""

from itertools import pairwise

import pandas as pd
import pytest

from freshet.replay import journey
from freshet.replay.journey import FIRST_DAY_MS, Window
from freshet.schemas.avro import Encoder

DAY_MS = journey.DAY_MS
FROM_MS, TO_MS = FIRST_DAY_MS + 7 * DAY_MS, FIRST_DAY_MS + 14 * DAY_MS
A_WEEK_IN = Window(FROM_MS, TO_MS)


@pytest.fixture(scope="module")
def week() -> list[dict[str, object]]:
    return list(journey.events(journey.purchases(A_WEEK_IN)))


def test_the_year_is_whole(lines: pd.DataFrame) -> None:
    assert len(lines) == 1_469_307
    assert lines["household_id"].nunique() == 2_469
    assert lines["basket_id"].nunique() == 155_848
    assert round(lines["sales_value"].sum(), 2) == 4_596_039.58


def test_the_order_is_by_time_then_basket_then_product(lines: pd.DataFrame) -> None:
    ordered = lines.sort_values(["event_time", "basket_id", "product_id"], kind="stable")
    assert ordered.index.is_monotonic_increasing


def test_no_two_purchases_share_an_id(lines: pd.DataFrame) -> None:
    assert not lines.duplicated(["basket_id", "product_id", "n"]).any()


def test_equal_lines_are_numbered_whatever_order_they_come_in() -> None:
    line = {"event_time": 5, "household_id": 1, "store_id": 2, "basket_id": 3, "product_id": 4, "quantity": 1}
    lines = pd.DataFrame([line | {"sales_value": value} for value in (2.0, 1.0, 3.0)])
    forwards, backwards = journey.in_order(lines), journey.in_order(lines[::-1])
    assert forwards["n"].tolist() == [0, 1, 2]
    assert forwards["sales_value"].tolist() == [1.0, 2.0, 3.0]
    pd.testing.assert_frame_equal(forwards, backwards)


def test_a_window_holds_the_same_events_as_the_whole_year(week: list[dict[str, object]], lines: pd.DataFrame) -> None:
    inside = lines["event_time"].between(FROM_MS, TO_MS, inclusive="left")
    assert list(journey.events(lines[inside])) == week
    assert len(week) > 20_000


def test_a_second_reading_gives_the_same_events(week: list[dict[str, object]]) -> None:
    assert list(journey.events(journey.purchases(A_WEEK_IN))) == week


def test_a_limit_takes_the_first_events(week: list[dict[str, object]]) -> None:
    limited = Window(FROM_MS, TO_MS, limit=100)
    assert list(journey.events(journey.purchases(limited))) == week[:100]


@pytest.mark.parametrize("limit", [1, 7, 20_000])
def test_a_limit_within_lines_of_one_time_keeps_their_order(lines: pd.DataFrame, limit: int) -> None:
    limited = journey.purchases(Window(FROM_MS, limit=limit))
    whole = lines[lines["event_time"] >= FROM_MS].head(limit).reset_index(drop=True)
    pd.testing.assert_frame_equal(limited.reset_index(drop=True), whole)


def test_a_shift_moves_every_time_alike_and_nothing_else(week: list[dict[str, object]]) -> None:
    shifted = list(journey.events(journey.purchases(A_WEEK_IN), shift_ms=12_345))
    for before, after in zip(week, shifted, strict=True):
        assert after == before | {"event_time": before["event_time"] + 12_345}  # type: ignore[operator]


def test_an_empty_window_has_no_events() -> None:
    assert journey.purchases(Window(since_ms=4_000_000_000_000)).empty


def test_the_first_event_is_the_first_line_of_the_data() -> None:
    [first] = journey.events(journey.purchases(Window(limit=1)))
    assert first == {
        "event_id": "cj-31198570044-1095275-0",
        "user_id": "900",
        "item_id": "1095275",
        "event_type": "purchase",
        "event_time": 1_483_271_606_000,
        "value": 0.5,
        "session_id": "31198570044",
        "request_id": None,
        "context": {"store_id": "330", "quantity": "1"},
    }


def test_a_session_is_a_basket_of_one_user_at_one_time(week: list[dict[str, object]]) -> None:
    for one, other in pairwise(week):
        if one["session_id"] == other["session_id"]:
            assert (one["user_id"], one["event_time"]) == (other["user_id"], other["event_time"])


def test_every_event_fits_the_schema(week: list[dict[str, object]]) -> None:
    encode = Encoder("interactions", 1)
    assert all(encode(event) for event in week)


def test_the_last_event_is_the_newest_purchase(lines: pd.DataFrame) -> None:
    assert journey.last_event_ms() == lines["event_time"].iloc[-1]


@pytest.fixture(scope="module")
def items() -> list[dict[str, object]]:
    return list(journey.catalogue())


def test_the_catalogue_holds_every_product_once_and_fits_the_schema(items: list[dict[str, object]]) -> None:
    encode = Encoder("catalog", 1)
    assert len(items) == len({item["item_id"] for item in items}) == 92_331
    assert all(encode(item) for item in items)
    assert items[0] == {
        "item_id": "25671",
        "department": "GROCERY",
        "category": "FRZN ICE",
        "product_type": "ICE - CRUSHED/CUBED",
        "brand": "National",
        "title": "Ice - crushed/cubed, 22 lb",
        "price": 3.49,
        "in_stock": True,
        "updated_at": FIRST_DAY_MS,
        "attributes": {"package_size": "22 LB"},
    }


def test_missing_parts_of_a_product_are_null(items: list[dict[str, object]]) -> None:
    misc = next(item for item in items if item["item_id"] == "26081")
    assert (misc["category"], misc["product_type"], misc["title"]) == (None, None, "Miscellaneous")
    assert misc["attributes"] == {}


def test_a_price_is_the_median_of_what_one_unit_cost() -> None:
    sales = pd.DataFrame(
        [(1, 2, 3.0), (1, 1, 1.0), (1, 1, 9.0), (2, 1000, 2.5), (3, 0, 0.0)],
        columns=["product_id", "quantity", "sales_value"],
    )
    assert journey.unit_prices(sales).to_dict() == {1: 1.5}
