"""Coupons and promotions as offers."""

from datetime import date

import pandas as pd

from freshet.models.offers import coupon_offers, promotion_offers

INDEX = {"10": 1, "20": 2}
HOUSEHOLDS = {"7": 0, "8": 1}


def test_a_coupon_is_of_the_households_of_its_campaign_while_that_runs() -> None:
    coupons = pd.DataFrame({"coupon_upc": [5, 5, 5], "product_id": [10, 20, 99], "campaign_id": 1})
    campaigns = pd.DataFrame({"campaign_id": [1, 1, 2], "household_id": [8, 99, 7]})
    runs = pd.DataFrame(
        {"campaign_id": [1], "start_date": pd.to_datetime(["2017-03-03"]), "end_date": pd.to_datetime(["2017-04-09"])}
    )
    (offer,) = coupon_offers(coupons, campaigns, runs, INDEX, HOUSEHOLDS)
    assert (offer.kind, offer.ref, offer.items, offer.households) == ("coupon", "5", frozenset({1, 2}), frozenset({1}))
    assert (offer.since, offer.until) == (date(2017, 3, 3), date(2017, 4, 9))


def test_a_coupon_that_nobody_was_sent_is_no_offer() -> None:
    coupons = pd.DataFrame({"coupon_upc": [5], "product_id": [10], "campaign_id": [1]})
    campaigns = pd.DataFrame({"campaign_id": [1], "household_id": [99]})
    runs = pd.DataFrame({"campaign_id": [1], "start_date": pd.to_datetime(["2017-03-03"]), "end_date": pd.NaT})
    assert coupon_offers(coupons, campaigns, runs, INDEX, HOUSEHOLDS) == []


def test_a_promotion_holds_at_its_shop_in_its_week() -> None:
    promotions = pd.DataFrame(
        {
            "product_id": [10, 20, 10],
            "store_id": [3, 3, 4],
            "week": [2, 2, 2],
            "mailer_location": ["A", "0", "A"],
            "display_location": ["0", "9", "9"],
        }
    )
    mailer, display = promotion_offers(promotions, 3, INDEX)
    assert (mailer.ref, mailer.items, display.ref, display.items) == (
        "mailer",
        frozenset({1}),
        "display",
        frozenset({2}),
    )
    assert (mailer.since, mailer.until) == (date(2017, 1, 2), date(2017, 1, 8))
