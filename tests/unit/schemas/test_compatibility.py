"""Why a schema may not follow another one, in words that name the field."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from freshet.schemas.avro import schema_text
from freshet.schemas.compatibility import NotASchema, incompatibilities, parse_record

Change = Callable[[dict[str, Any]], object]


def changed(change: Change, name: str = "interactions") -> str:
    """Return the text of a schema after a change to it."""
    record = json.loads(schema_text(name))
    change(record)
    return json.dumps(record)


def field(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(field for field in record["fields"] if field["name"] == name)


def without(record: dict[str, Any], name: str) -> None:
    record["fields"].remove(field(record, name))


def lose_symbols(record: dict[str, Any]) -> None:
    event_type = field(record, "event_type")["type"]
    event_type["symbols"] = [symbol for symbol in event_type["symbols"] if symbol not in {"play", "skip"}]
    del event_type["default"]


CHANGES: list[tuple[Change, str]] = [
    (
        lambda record: record["fields"].append({"name": "campaign", "type": "string"}),
        "`campaign` is new and has no default",
    ),
    (lambda record: field(record, "event_time").update(type="string"), "`event_time` is of type string, it was long"),
    (
        lambda record: field(record, "item_id").update(type="string"),
        "`item_id` is of type string, it was null or string",
    ),
    (lose_symbols, "`event_type` loses the symbols skip, play and its enum has no default"),
    (lambda record: field(record, "context")["type"].update(values="int"), "`context` changes its type"),
    (lambda record: record.update(name="Event"), "the record is named freshet.Event, it was freshet.Interaction"),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES, ids=[reason for _, reason in CHANGES])
def test_each_incompatible_change_is_named(change: Change, reason: str) -> None:
    [found] = incompatibilities(changed(change), schema_text("interactions"))
    assert reason in found


@pytest.mark.parametrize(
    "change",
    [
        lambda record: None,
        lambda record: record.update(doc="Other words."),
        lambda record: record["fields"].append({"name": "campaign", "type": ["null", "string"], "default": None}),
        lambda record: without(record, "request_id"),
        lambda record: field(record, "event_type")["type"]["symbols"].append("gift"),
        lambda record: field(record, "user_id").update(name="visitor", aliases=["user_id"]),
        lambda record: record.update(name="Event", aliases=["freshet.Interaction"]),
    ],
)
def test_compatible_changes_have_nothing_against_them(change: Change) -> None:
    assert incompatibilities(changed(change), schema_text("interactions")) == []


def test_every_reason_is_given_and_not_only_the_first() -> None:
    def two_changes(record: dict[str, Any]) -> None:
        record["fields"].append({"name": "campaign", "type": "string"})
        field(record, "event_time").update(type="string")

    assert len(incompatibilities(changed(two_changes), schema_text("interactions"))) == 2


def test_a_change_inside_a_nested_record_names_the_field_that_holds_it() -> None:
    def change(record: dict[str, Any]) -> None:
        field(record, "items")["type"]["items"]["fields"].append({"name": "weight", "type": "double"})

    [found] = incompatibilities(changed(change, "recommendations"), schema_text("recommendations"))
    assert found == "field `items` holds a new field without a default (weight)"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ('"string"', "of type string, not a record"),
        ("[]", "of type union, not a record"),
        ('{"type": "record", "name": "A", "fields": [{"name": "x", "type": "nope"}]}', "nope"),
    ],
)
def test_what_is_no_record_schema_is_told(text: str, reason: str) -> None:
    with pytest.raises(NotASchema, match=reason):
        parse_record(text)
