"""What the engine makes of Feast's declarations: the shop's SQL, and one clear sentence for each that cannot be."""

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from builders import hours, minutes, the_shops_views
from freshet.errors import FreshetError
from freshet.udfs.engine_spec import EngineConfig, engine_spec, key_ttl_seconds
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.view_checks import changes, check, problems
from freshet.udfs.view_sql import CARRIED, EVENT_COLUMNS, brought_columns, brought_query, unique_events, view_query
from freshet.udfs.views import Aggregation, View, view_from_feast, views_from_feast

GOLDEN = Path(__file__).with_name("golden") / "shop_views.sql"


def sql_of(views: tuple[View, ...]) -> str:
    steps = {"unique_events": unique_events("events"), "brought": brought_query(views, "unique_events")}
    return "\n".join(f"-- {name}\n{query};\n" for name, query in steps.items())


def test_the_sql_of_the_shops_views_is_the_golden_one() -> None:
    """What an event brings to a feature is decided here; a change of this file is a change of features."""
    assert sql_of(the_shops_views()) == GOLDEN.read_text("utf-8")


def test_the_shops_views_can_be_computed() -> None:
    assert list(problems(the_shops_views())) == []


def test_features_that_ask_the_same_of_an_event_share_a_column() -> None:
    twice = a_feature("count", name="f"), a_feature("histogram", name="g", value_type="Array(Int64)")
    view = View("user_activity", ("subject",), twice, 0)
    assert list(brought_columns([view])) == ["key_subject", "f"]
    spec = json.loads(engine_spec([view], EngineConfig("redis://store", "shop", 1, 2, 0)))
    assert [feature["column"] for feature in spec["views"][0]["features"]] == [len(CARRIED) + 1] * 2


def test_a_column_that_a_view_derives_is_there_for_its_features() -> None:
    view = View("geo_activity", ("geo",), (a_feature(where="geo <> 'moon'"),), 0, derived=(("geo", "context['geo']"),))
    assert list(problems([view])) == []
    assert "(SELECT *, context['geo'] AS `geo` FROM unique_events)" in brought_query([view], "unique_events")
    assert "(SELECT *, context['geo'] AS `geo` FROM unique_events)" in view_query(view)


def test_a_definition_that_changes_gets_another_id_and_its_neighbours_do_not() -> None:
    before = View("user_activity", ("subject",), (a_feature(name="f"), a_feature(name="g")), 0)
    after = replace(before, features=(replace(before.features[0], window_ms=hours(2)), before.features[1]))
    ids = [
        [
            feature["id"]
            for feature in json.loads(engine_spec([view], EngineConfig("r", "p", 1, 2, 0)))["views"][0]["features"]
        ]
        for view in (before, after)
    ]
    assert ids[0][0] != ids[1][0]
    assert ids[0][1] == ids[1][1]
    assert list(changes([before], [after])) == [
        "View user_activity: feature f: window_ms was 3600000 and is now 7200000"
    ]


def test_a_view_that_changes_its_key_is_told() -> None:
    view = View("user_activity", ("subject",), (a_feature(),), 0)
    told = "View user_activity: its key was subject and is now subject, category"
    assert list(changes([view], [replace(view, keys=("subject", "category"))])) == [told]


def test_new_views_and_features_change_nothing() -> None:
    view = View("user_activity", ("subject",), (a_feature(),), 0)
    more = replace(view, features=(*view.features, a_feature(name="g")))
    assert list(changes([view], [more, replace(view, name="other")])) == []
    assert list(changes([more, replace(view, name="other")], [view])) == []


# ---- Declarations, as Feast's objects show them ---------------------------------------------------------------------


@dataclass(frozen=True)
class Declared:
    """What is read of Feast's `Field`, `Aggregation` and `StreamFeatureView`; Feast itself takes seconds to import."""

    name: str
    dtype: str = "Int64"
    function: str = "count"
    column: str = "event_id"
    time_window: timedelta | None = timedelta(hours=1)
    slide_interval: timedelta | None = timedelta(minutes=5)


@dataclass(frozen=True)
class DeclaredView:
    name: str
    aggregations: list[Declared]
    features: list[Declared]
    join_keys: list[str] = field(default_factory=lambda: ["subject"])
    tags: dict[str, str] = field(default_factory=dict)
    ttl: timedelta | None = timedelta(days=90)


def a_view(*features: Declared, **changes: Any) -> DeclaredView:
    return replace(DeclaredView("user_activity", list(features), list(features)), **changes)


CLICKS = Declared("user_clicks_count_1h")
ITEMS = Declared("user_items_last_5", "Array(String)", "last_n", "item_id", None, None)


def test_a_declaration_becomes_a_view() -> None:
    declared = a_view(
        CLICKS, ITEMS, tags={"user_clicks_count_1h.where": "event_type = 'click'", "user_items_last_5.n": "5"}
    )
    assert view_from_feast(declared) == View(
        "user_activity",
        ("subject",),
        (
            Aggregation(
                "user_clicks_count_1h", "count", "event_id", "Int64", hours(1), minutes(5), "event_type = 'click'"
            ),
            Aggregation("user_items_last_5", "last_n", "item_id", "Array(String)", n=5),
        ),
        ttl_seconds=90 * 86_400,
    )


def test_views_stand_in_the_order_of_their_names() -> None:
    """Whatever order a registry lists them in, the job has the same plan."""
    names = ["b", "c", "a"]
    assert [view.name for view in views_from_feast(a_view(CLICKS, name=name) for name in names)] == ["a", "b", "c"]


def test_tags_that_refine_no_feature_may_say_what_they_like() -> None:
    assert view_from_feast(a_view(CLICKS, tags={"team": "search", "tier": "1"})).features[0].where == ""


def test_derived_columns_stand_in_the_order_of_their_names() -> None:
    """A registry gives tags back in any order, and the job must not take that for another definition."""
    tags = {"derive.b": "1", "derive.a": "2"}
    assert view_from_feast(a_view(CLICKS, tags=tags)).derived == (("a", "2"), ("b", "1"))


def test_a_view_without_a_lifetime_lives_for_ever() -> None:
    assert view_from_feast(a_view(CLICKS, ttl=None)).ttl_seconds == 0


BAD_DECLARATIONS = {
    "aggregation 'user_clicks_count_1h' has no field of its name in the schema": a_view(CLICKS, features=[]),
    "aggregation 'count' has no field of its name in the schema": a_view(replace(CLICKS, name=""), features=[]),
    "the tag 'user_click_count_1h.where' is for no feature of it": a_view(
        CLICKS, tags={"user_click_count_1h.where": "event_type = 'click'"}
    ),
    "the tag 'user_items_last_5.n' is 'five'; it is a length, such as '20'": a_view(
        ITEMS, tags={"user_items_last_5.n": "five"}
    ),
    "the tag 'user_items_last_5.n' is '-5'; it is a length, such as '20'": a_view(
        ITEMS, tags={"user_items_last_5.n": "-5"}
    ),
    "the tag 'user_clicks_count_1h.prior' is '1e3'; it is a number that is not negative, such as '0.05'": a_view(
        CLICKS, tags={"user_clicks_count_1h.prior": "1e3"}
    ),
}


@pytest.mark.parametrize(("reason", "declared"), BAD_DECLARATIONS.items(), ids=BAD_DECLARATIONS)
def test_a_view_that_cannot_be_is_refused_in_one_sentence(reason: str, declared: DeclaredView) -> None:
    with pytest.raises(FreshetError) as refusal:
        view_from_feast(declared)
    assert str(refusal.value) == f"View user_activity: {reason}."


# ---- Features and views, as the engine sees them --------------------------------------------------------------------


def a_feature(function: str = "count", **changes: Any) -> Aggregation:
    gives = FUNCTIONS[function].gives[0] if function in FUNCTIONS else "Int64"
    return replace(Aggregation("f", function, "event_id", gives, hours(1), minutes(5)), **changes)


def a_list(function: str = "last_n", **changes: Any) -> Aggregation:
    return replace(a_feature(function, column="item_id", n=3), **changes)


COLUMNS = ", ".join(name for name in EVENT_COLUMNS if name != "context")

BAD_FEATURES = {
    f"there is no function 'median'; choose one of {', '.join(FUNCTIONS)}": a_feature("median"),
    f"events have no column 'price'; choose one of {COLUMNS}": a_feature(column="price"),
    f"events have no column 'context'; choose one of {COLUMNS}": a_feature(column="context"),
    "count gives Int64, and its field is Float64": a_feature(value_type="Float64"),
    "last_n gives Array(String), and its field is String": a_list(value_type="String"),
    "last gives Float64 or String, and its field is Int64": a_feature("last", value_type="Int64"),
    "count needs a time_window": a_feature(window_ms=0),
    "sum needs a time_window": a_feature("sum", column="value", window_ms=0, slide_ms=0),
    "ewma needs a time_window": a_feature("ewma", window_ms=0),
    "session_count needs a time_window": a_feature("session_count", window_ms=0),
    "first looks at all events; leave out the time_window": a_feature("first"),
    "its time_window must be a whole number of slide_intervals": a_feature(slide_ms=minutes(7)),
    "its slide_interval, the short half-life, must be shorter than its time_window, the long one": a_feature(
        "trend", slide_ms=hours(1)
    ),
    "sum needs numbers; take the column 'value', or derive one": a_feature("sum", column="item_id"),
    "mean needs numbers; take the column 'value', or derive one": a_feature("mean", column="event_time"),
    "ewma_vector needs vectors; derive a column of them, such as ITEM_VECTOR(item_id)": a_feature(
        "ewma_vector", column="item_id", n=3
    ),
    "say how many with the tag 'f.n'": a_list(n=0),
    "say what a hit is with the tag 'f.hit'": a_feature("rate"),
    "only a rate has hits and a prior; leave out the tags 'f.hit' and 'f.prior_weight'": a_feature(hit="TRUE"),
    "the prior of a share is at most 1, not 1.5": a_feature("rate", hit="TRUE", prior=1.5),
    "a session lasts from its first event to its last, whatever they are; leave out the tag 'f.where'": a_feature(
        "session_duration", where="event_type = 'view'"
    ),
    "events have a column of that name": a_feature(name="value"),
    "a name in SQL is made of letters, digits and underscores": a_feature(name="clicks` FROM x"),
}


@pytest.mark.parametrize(("reason", "feature"), BAD_FEATURES.items(), ids=BAD_FEATURES)
def test_a_feature_that_cannot_be_computed_is_refused_in_one_sentence(reason: str, feature: Aggregation) -> None:
    with pytest.raises(FreshetError) as refusal:
        check([View("user_activity", ("subject",), (feature,), 0)])
    assert str(refusal.value) == f"View user_activity: feature {feature.name}: {reason}."


def test_a_window_of_one_slide_is_a_whole_number_of_them() -> None:
    check([View("user_activity", ("subject",), (a_feature(slide_ms=hours(1)),), 0)])


TEXTS = ", ".join(name for name, kind in EVENT_COLUMNS.items() if kind == "STRING")
A_VIEW = View("user_activity", ("subject",), (a_feature(),), 0)

BAD_VIEWS = {
    "View user-activity: a name in SQL is made of letters, digits and underscores": [
        replace(A_VIEW, name="user-activity")
    ],
    "View user_activity: it has no aggregations": [replace(A_VIEW, features=())],
    "View user_activity: two aggregations give f": [replace(A_VIEW, features=(a_feature(), a_feature()))],
    f"View user_activity: 'value' cannot be a key; choose one of {TEXTS}, or derive it": [
        replace(A_VIEW, keys=("value",))
    ],
    f"View user_activity: 'geo' cannot be a key; choose one of {TEXTS}, or derive it": [replace(A_VIEW, keys=("geo",))],
    "View user_activity: it derives 'value', and events have a column of that name": [
        replace(A_VIEW, derived=(("value", "1"),))
    ],
    "View other: view user_activity has a feature f too; Feast could not tell them apart": [
        A_VIEW,
        replace(A_VIEW, name="other"),
    ],
    # Found by search: two names whose hash is the same four bytes.
    "View v: feature clicks_40728 and feature clicks_6280 of view v would share one field of the online store; "
    "rename one": [View("v", ("subject",), (a_feature(name="clicks_6280"), a_feature(name="clicks_40728")), 0)],
}


@pytest.mark.parametrize(("reason", "views"), BAD_VIEWS.items(), ids=BAD_VIEWS)
def test_views_that_cannot_be_are_refused_in_one_sentence(reason: str, views: list[View]) -> None:
    with pytest.raises(FreshetError) as refusal:
        check(views)
    assert str(refusal.value) == f"{reason}."


def test_two_views_that_derive_one_column_in_two_ways_are_refused() -> None:
    views = [replace(A_VIEW, name=name, derived=(("geo", text),)) for name, text in (("a", "'x'"), ("b", "'y'"))]
    with pytest.raises(FreshetError, match="another view derives 'geo' in another way"):
        brought_query(views, "unique_events")


def test_without_a_view_of_the_user_alone_nothing_can_be_announced() -> None:
    with pytest.raises(FreshetError, match="No view has the user alone as its entity"):
        engine_spec([replace(A_VIEW, keys=("item_id",))], EngineConfig("redis://store", "shop", 1, 2, 0))


@pytest.mark.parametrize(("lifetimes", "seconds"), [((60, 90, 30), 90), ((60, 0, 30), 0)])
def test_an_entity_lives_as_long_as_its_longest_view(lifetimes: tuple[int, ...], seconds: int) -> None:
    """A view that lives for ever says 0, which is longer than all."""
    assert key_ttl_seconds([replace(A_VIEW, ttl_seconds=ttl) for ttl in lifetimes]) == seconds
