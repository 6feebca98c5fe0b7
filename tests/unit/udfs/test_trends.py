"""What the trends job is told: names that are keys, columns that fit, and ids that change with what is counted alone."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from freshet.schemas.keys import TrendSet
from freshet.udfs.trend_spec import (
    CARRIED,
    TrendConfig,
    brought_columns,
    brought_query,
    definition_id,
    digest_of,
    rows_of,
    trend_spec,
)
from freshet.udfs.trends import TRENDS, FirstSeen, Followers, Kept, Popular, Together, Trend

CONFIG = TrendConfig("redis://store", 86_400_000)
FOLLOWERS = Followers("followers", timedelta(days=1), last=3)
POPULAR = Popular("popular", (timedelta(hours=1),), ("'all'",))
TOGETHER = Together("together", "baskets", timedelta(days=1))


def test_every_name_is_a_key_and_stands_once() -> None:
    names = [rows.name for trend in TRENDS for rows in rows_of(trend)]
    assert len(set(names)) == len(names)
    assert [TrendSet.decode(TrendSet(name).encode()).name for name in names] == names


def test_columns_that_trends_share_are_worked_out_once() -> None:
    columns = brought_columns(TRENDS)
    assert len(set(columns)) == len(columns)
    same = FirstSeen("fresh", where=FOLLOWERS.where)
    assert brought_columns([FOLLOWERS, same]) == brought_columns([FOLLOWERS])


def test_each_trend_is_told_which_columns_are_its_own() -> None:
    told = json.loads(trend_spec([FOLLOWERS, POPULAR], CONFIG))
    columns = [*CARRIED, *brought_columns([FOLLOWERS, POPULAR])]
    followers, popular = told["trends"]
    assert columns[followers["weight"]].endswith("CAST(1e0 AS DOUBLE) END")
    assert "purchase" in columns[popular["weight"]]
    assert [columns[at] for at in popular["by"]] == ["'all'"]
    assert f"{columns[followers['weight']]} AS `b0`" in brought_query([FOLLOWERS, POPULAR], "events")


def test_rows_follow_their_trends() -> None:
    told = json.loads(trend_spec([TOGETHER, FOLLOWERS], CONFIG))
    assert [one["name"] for one in told["rows"]] == ["together", "baskets", "followers"]
    assert [one["rows"] for one in told["trends"]] == [[0, 1], [2]]
    assert told["key_ttl_seconds"] == 86_400


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(FOLLOWERS, replace(FOLLOWERS, kept=Kept(keep=7)), id="how much is kept"),
        pytest.param(TOGETHER, replace(TOGETHER, all_kept=Kept(every=timedelta(0))), id="how often is written"),
        pytest.param(POPULAR, replace(POPULAR, by=("'all'", "brand")), id="another key"),
        pytest.param(FirstSeen("fresh"), FirstSeen("fresh", capacity=5), id="how many stay in the store"),
    ],
)
def test_state_outlives_a_change_of(before: Trend, after: Trend) -> None:
    assert definition_id(before, before.name) == definition_id(after, after.name)
    assert digest_of([before]) != digest_of([after])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(FOLLOWERS, replace(FOLLOWERS, half_life=timedelta(days=2)), id="the half-life"),
        pytest.param(FOLLOWERS, replace(FOLLOWERS, last=4), id="the length of a history"),
        pytest.param(POPULAR, replace(POPULAR, weight="2e0"), id="what an event weighs"),
        pytest.param(TOGETHER, replace(TOGETHER, basket="request_id"), id="what a basket is"),
    ],
)
def test_state_begins_anew_with(before: Trend, after: Trend) -> None:
    assert definition_id(before, before.name) != definition_id(after, after.name)


def test_no_id_depends_on_the_other_trends() -> None:
    alone = json.loads(trend_spec([FOLLOWERS], CONFIG))
    among = json.loads(trend_spec([POPULAR, TOGETHER, FOLLOWERS], CONFIG))
    assert alone["rows"][0] == among["rows"][-1]
    assert alone["trends"][0]["id"] == among["trends"][-1]["id"]
