"""What the engine makes of Feast's declarations: the shop's SQL, and one clear sentence for each that cannot be."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from builders import hours, minutes, the_shops_views
from freshet.errors import FreshetError
from freshet.udfs.view_sql import EVENT_COLUMNS, EXPRESSIONS, FUNCTIONS, VALUE_TYPES, chain, expression, unique_events
from freshet.udfs.views import Aggregation, View, view_from_feast, views_from_feast

GOLDEN = Path(__file__).with_name("golden") / "shop_views.sql"


def sql_of(views: tuple[View, ...]) -> str:
    steps = [("unique_events", unique_events("events")), *chain(views, "unique_events")]
    return "\n".join(f"-- {name}\n{query};\n" for name, query in steps)


def test_the_sql_of_the_shops_views_is_the_golden_one() -> None:
    """Flink recognises the state of a running job by its plan: when this file changes, so may the plan."""
    assert sql_of(the_shops_views()) == GOLDEN.read_text("utf-8")


def test_each_view_reads_what_the_one_before_it_gives() -> None:
    names = [name for name, _ in chain(the_shops_views(), "unique_events")]
    sources = [re.findall(r"FROM (\w+)", query) for _, query in chain(the_shops_views(), "unique_events")]
    assert sources == [["unique_events"], *([name] for name in names[:-1])]


def test_the_last_step_carries_the_event_and_every_view() -> None:
    _, query = chain(the_shops_views(), "unique_events")[-1]
    carried = re.findall(r"`(\w+)`", query.partition("FROM")[0])
    assert carried[: len(EVENT_COLUMNS)] == list(EVENT_COLUMNS)
    assert {view.name for view in the_shops_views()} <= set(carried)


def test_every_function_has_a_value_type_and_a_java_class() -> None:
    assert set(EXPRESSIONS) == set(VALUE_TYPES)
    called = {re.match(r"\w+", make(a_feature())).group() for make in EXPRESSIONS.values()}  # type: ignore[union-attr]
    assert called | {"freshet_row"} == set(FUNCTIONS)


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


def test_a_view_without_a_lifetime_lives_for_ever() -> None:
    assert view_from_feast(a_view(CLICKS, ttl=None)).ttl_seconds == 0


BAD_VIEWS = {
    "no aggregation gives user_clicks_count_1h": a_view(CLICKS, aggregations=[]),
    "it has no aggregations": a_view(),
    "two aggregations give user_clicks_count_1h": a_view(CLICKS, CLICKS),
    "aggregation 'user_clicks_count_1h' has no field of its name in the schema": a_view(CLICKS, features=[]),
    "aggregation 'count' has no field of its name in the schema": a_view(replace(CLICKS, name=""), features=[]),
    "user_clicks_count_1h is Int32; a feature can be one of Int64, Float64, String, Array(String)": a_view(
        replace(CLICKS, dtype="Int32")
    ),
    "the tag 'user_click_count_1h.where' is for no feature of it": a_view(
        CLICKS, tags={"user_click_count_1h.where": "event_type = 'click'"}
    ),
    "the tag 'user_items_last_5.n' is 'five'; it is a length, such as '20'": a_view(
        ITEMS, tags={"user_items_last_5.n": "five"}
    ),
    "the tag 'user_items_last_5.n' is '-5'; it is a length, such as '20'": a_view(
        ITEMS, tags={"user_items_last_5.n": "-5"}
    ),
}


@pytest.mark.parametrize(("reason", "declared"), BAD_VIEWS.items(), ids=BAD_VIEWS)
def test_a_view_that_cannot_be_is_refused_in_one_sentence(reason: str, declared: DeclaredView) -> None:
    with pytest.raises(FreshetError) as refusal:
        view_from_feast(declared)
    assert str(refusal.value) == f"View user_activity: {reason}."


# ---- Features and views, as the engine sees them --------------------------------------------------------------------


def a_feature(function: str = "count", **changes: Any) -> Aggregation:
    feature = Aggregation("f", function, "event_id", VALUE_TYPES.get(function, "Int64"), hours(1), minutes(5))
    return replace(feature, **changes)


BAD_FEATURES = {
    f"there is no function 'median'; choose one of {', '.join(EXPRESSIONS)}": a_feature("median"),
    f"events have no column 'price'; choose one of {', '.join(EVENT_COLUMNS)}": a_feature(column="price"),
    "count gives Int64, and its field is Float64": a_feature(value_type="Float64"),
    "last_n gives Array(String), and its field is String": a_feature("last_n", n=3, value_type="String"),
    "count needs a time_window": a_feature(window_ms=0),
    "sum needs a time_window": a_feature("sum", column="value", window_ms=0, slide_ms=0),
    "ewma needs a time_window": a_feature("ewma", window_ms=0),
    "session_count needs a time_window": a_feature("session_count", window_ms=0),
    "session_duration needs a time_window": a_feature("session_duration", window_ms=0),
    "its time_window must be a whole number of slide_intervals": a_feature(slide_ms=minutes(7)),
    "its slide_interval, the short half-life, must be shorter than its time_window, the long one": a_feature(
        "trend", slide_ms=hours(1)
    ),
    "sum adds up the column 'value'; the others hold no amounts": a_feature("sum", column="item_id"),
    "last_n keeps texts, and value is a number": a_feature("last_n", column="value", n=3),
    "say how many with the tag 'f.n'": a_feature("last_n", column="item_id"),
    "a session lasts from its first event to its last, whatever they are; leave out the tag 'f.where'": a_feature(
        "session_duration", where="event_type = 'view'"
    ),
}


@pytest.mark.parametrize(("reason", "feature"), BAD_FEATURES.items(), ids=BAD_FEATURES)
def test_a_feature_that_cannot_be_computed_is_refused_in_one_sentence(reason: str, feature: Aggregation) -> None:
    with pytest.raises(FreshetError) as refusal:
        expression(feature)
    assert str(refusal.value) == f"Feature f: {reason}."


def test_a_window_of_one_slide_is_a_whole_number_of_them() -> None:
    assert f", {hours(1)}, {hours(1)})" in expression(a_feature(slide_ms=hours(1)))


BAD_NAMES: dict[str, Callable[[str], object]] = {
    "Feature": lambda name: expression(a_feature(name=name)),
    "View": lambda name: chain([View(name, ("subject",), (a_feature(),), 0)], "unique_events"),
}


@pytest.mark.parametrize("kind", BAD_NAMES)
@pytest.mark.parametrize("name", ["user-clicks", "1h_clicks", "clicks` FROM x", "клики", ""])
def test_a_name_that_sql_cannot_carry_is_refused(kind: str, name: str) -> None:
    with pytest.raises(FreshetError) as refusal:
        BAD_NAMES[kind](name)
    assert str(refusal.value) == f"{kind} {name}: a name in SQL is made of letters, digits and underscores."


@pytest.mark.parametrize("kind", BAD_NAMES)
@pytest.mark.parametrize("name", ["value", "category", "version", "as_of", "pt"])
def test_a_name_that_events_have_already_is_refused(kind: str, name: str) -> None:
    with pytest.raises(FreshetError) as refusal:
        BAD_NAMES[kind](name)
    assert str(refusal.value) == f"{kind} {name}: events have a column of that name."


def test_a_key_that_the_writer_is_not_given_is_refused() -> None:
    with pytest.raises(FreshetError) as refusal:
        chain([View("brand_popularity", ("brand",), (a_feature(),), 0)], "unique_events")
    assert str(refusal.value) == (
        "View brand_popularity: 'brand' cannot be a key; the keys are made of subject, item_id, event_type, category."
    )
