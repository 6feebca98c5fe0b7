"""Which interactions are let through, at the edge of each rule, and what is left of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOON, a_click, a_purchase, an_interaction, minutes
from freshet.schemas.avro import schema
from freshet.udfs import rejections
from freshet.udfs.catalogue import NOWHERE, Place
from freshet.udfs.clean import (
    CONTEXT_CHARACTERS,
    CONTEXT_ENTRIES,
    HIGHEST_RATING,
    LONGEST_ID,
    NEEDS_ITEM,
    NEVER_NEGATIVE,
    OLDEST_MS,
    PERSONAL,
    Position,
    clean,
    validate,
)
from freshet.udfs.rejections import Rejected

AT = Position("interactions", 3, 41)
MILK = Place("GROCERY", "FLUID MILK PRODUCTS", "MILK", "National")

[EVENT_TYPES] = [
    field["type"]["symbols"] for field in schema("interactions")["fields"] if field["name"] == "event_type"
]


def refusal(record: dict[str, Any], now: int = NOON) -> str | None:
    """Return the reason against a record; None for a good one."""
    try:
        validate(record, now)
    except Rejected as rejected:
        return rejected.reason
    return None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param(a_click(at=NOON + minutes(5)), None, id="a phone five minutes ahead"),
        pytest.param(
            a_click(at=NOON + minutes(5) + 1), rejections.TIME_IN_FUTURE, id="a moment more than five minutes"
        ),
        pytest.param(a_click(at=OLDEST_MS), None, id="the first moment of 2000"),
        pytest.param(a_click(at=OLDEST_MS - 1), rejections.TIME_TOO_OLD, id="the last moment of 1999"),
        pytest.param(a_click(user="u" * LONGEST_ID), None, id="the longest user id"),
        pytest.param(a_click(user="u" * (LONGEST_ID + 1)), rejections.MALFORMED_ID, id="a longer user id"),
        pytest.param(a_click(session_id="s" * (LONGEST_ID + 1)), rejections.MALFORMED_ID, id="a longer session id"),
        pytest.param(a_click(request_id="r\n"), rejections.MALFORMED_ID, id="a line break in the request id"),
        pytest.param(a_click(item="товар-1 🛒"), None, id="an item id in any script"),
        pytest.param(a_click(item="a\u202eb"), rejections.MALFORMED_ID, id="an item id that turns the line around"),
        pytest.param(a_purchase(paid=0.0), None, id="a free purchase"),
        pytest.param(a_purchase(paid=-0.01), rejections.BAD_VALUE, id="a purchase that costs the shop"),
        pytest.param(an_interaction("rate", value=HIGHEST_RATING), None, id="the best rating"),
        pytest.param(an_interaction("rate", value=HIGHEST_RATING + 0.5), rejections.BAD_VALUE, id="a better one"),
        pytest.param(an_interaction("search", item_id=None), None, id="a search for no item"),
        pytest.param(
            an_interaction("search", item_id=None, value=-1.0), None, id="a value that a type may give any sense"
        ),
        pytest.param(
            a_click(context=dict.fromkeys(map(str, range(CONTEXT_ENTRIES)), "")), None, id="as many entries as fit"
        ),
        pytest.param(
            a_click(context=dict.fromkeys(map(str, range(CONTEXT_ENTRIES + 1)), "")),
            rejections.OVERSIZED_CONTEXT,
            id="an entry more",
        ),
        pytest.param(a_click(context={"page": "p" * (CONTEXT_CHARACTERS - 4)}), None, id="as many characters as fit"),
        pytest.param(
            a_click(context={"page": "p" * (CONTEXT_CHARACTERS - 3)}),
            rejections.OVERSIZED_CONTEXT,
            id="a character more",
        ),
    ],
)
def test_a_rule_begins_where_it_says(record: dict[str, Any], reason: str | None) -> None:
    assert refusal(record) == reason


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_type_is_judged_on_purpose(event_type: str) -> None:
    """A new type of the schema is either one that needs an item, or one that this table knows to need none."""
    expected = {
        "category_view": None,
        "search": None,
        "UNKNOWN": rejections.UNKNOWN_TYPE,
    }.get(event_type, rejections.MISSING_ITEM)
    assert refusal(an_interaction(event_type, item_id=None)) == expected
    assert (event_type in NEEDS_ITEM) == (expected == rejections.MISSING_ITEM)


def test_the_rules_name_only_types_of_the_schema() -> None:
    assert set(EVENT_TYPES) >= NEEDS_ITEM | NEVER_NEGATIVE


def test_a_clean_event_has_all_that_was_sent_but_the_user() -> None:
    record = a_purchase(
        user="900", item="1095275", paid=3.5, session_id="s-1", request_id="r-1", context={"page": "/milk"}
    )
    assert clean(record, "subject-of-900", MILK, AT) == {
        "event_id": record["event_id"],
        "subject": "subject-of-900",
        "item_id": "1095275",
        "event_type": "purchase",
        "event_time": NOON,
        "value": 3.5,
        "session_id": "s-1",
        "request_id": "r-1",
        "department": "GROCERY",
        "category": "FLUID MILK PRODUCTS",
        "product_type": "MILK",
        "brand": "National",
        "source_partition": 3,
        "source_offset": 41,
        "context": {"page": "/milk"},
    }


def test_a_clean_event_has_the_fields_of_its_schema() -> None:
    names = {field["name"] for field in schema("interactions.clean")["fields"]}
    assert clean(a_click(), "s", NOWHERE, AT).keys() == names


def test_an_empty_item_id_is_none_at_all() -> None:
    assert clean(an_interaction("search", item_id=""), "s", NOWHERE, AT)["item_id"] is None


@given(st.sampled_from(sorted(PERSONAL)).flatmap(lambda key: st.tuples(*map(letter_of, key)).map("".join)))
def test_personal_context_stops_here_however_it_is_spelled(key: str) -> None:
    record = a_click(context={key: "ann@example.com", "page": "/"})
    assert clean(record, "s", NOWHERE, AT)["context"] == {"page": "/"}
    assert record["context"][key] == "ann@example.com", "the record itself is for the refusals, and stays whole"


def letter_of(letter: str) -> st.SearchStrategy[str]:
    return st.sampled_from((letter.lower(), letter.upper()))


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_other_context_passes_unchanged(context: dict[str, str]) -> None:
    kept = clean(a_click(context=context), "s", NOWHERE, AT)["context"]
    assert kept == {key: value for key, value in context.items() if key.lower() not in PERSONAL}
