"""Records on the wire: Confluent's header, Avro's body, and old records read as new ones."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.schemas.avro import (
    Decoder,
    Encoder,
    NotConfluentFramed,
    UnreadableRecord,
    frame,
    schema,
    schema_text,
    unframe,
)

NOON = 1_514_808_000_000  # 2018-01-01T12:00:00Z
EVENT_TYPES = next(field for field in schema("interactions")["fields"] if field["name"] == "event_type")["type"][
    "symbols"
]

# Written down once, byte by byte, from the Avro specification: consumers in other languages read exactly this.
GOLDEN = (
    "00 00000102"  # zero byte, schema id 258
    " 06 652d31"  # event_id: length 3, "e-1"
    " 06 393030"  # user_id: "900"
    " 02 0e 31303935323735"  # item_id: branch 1, "1095275"
    " 02"  # event_type: symbol 1, view
    " 80f8bd999658"  # event_time: 1514808000000, zigzag varint
    " 02 0000000000002940"  # value: branch 1, 12.5
    " 02 06 732d31"  # session_id: branch 1, "s-1"
    " 00"  # request_id: branch 0, null
    " 02 12 6465766963655f6964 06 642d31 00"  # context: one pair, "device_id" "d-1", end
).replace(" ", "")


def a_view(**changes: Any) -> dict[str, Any]:
    event = {
        "event_id": "e-1",
        "user_id": "900",
        "item_id": "1095275",
        "event_type": "view",
        "event_time": NOON,
        "value": 12.5,
        "session_id": "s-1",
        "request_id": None,
        "context": {"device_id": "d-1"},
    }
    return event | changes


def a_decoder(**texts: str) -> Decoder:
    """Return a decoder of interactions whose registry holds `id_<n>=<text>`."""
    return Decoder("interactions", lambda schema_id: texts[f"id_{schema_id}"])


def test_the_bytes_of_an_interaction_are_the_golden_ones() -> None:
    assert Encoder("interactions", 258)(a_view()).hex() == GOLDEN


def test_the_registered_schema_says_that_times_are_in_milliseconds() -> None:
    [event_time] = [
        field for field in json.loads(schema_text("interactions"))["fields"] if field["name"] == "event_time"
    ]
    assert event_time["type"] == {"type": "long", "logicalType": "timestamp-millis"}


def test_a_time_that_no_calendar_holds_is_read_as_it_is() -> None:
    decode, encode = a_decoder(id_1=schema_text("interactions")), Encoder("interactions", 1)
    for time in (-(2**63), -1, 1_514_808_000_000_000, 2**63 - 1):
        assert decode(encode(a_view(event_time=time)))["event_time"] == time


def test_the_golden_bytes_are_read_back() -> None:
    assert a_decoder(id_258=schema_text("interactions"))(bytes.fromhex(GOLDEN)) == a_view()


optional_text = st.none() | st.text(max_size=40)


@given(
    st.fixed_dictionaries(
        {
            "event_id": st.text(),
            "user_id": st.text(),
            "item_id": optional_text,
            "event_type": st.sampled_from(EVENT_TYPES),
            "event_time": st.integers(-(2**63), 2**63 - 1),
            "value": st.none() | st.floats(allow_nan=False),
            "session_id": optional_text,
            "request_id": optional_text,
            "context": st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5),
        }
    )
)
def test_every_interaction_survives_the_wire(event: dict[str, Any]) -> None:
    assert a_decoder(id_1=schema_text("interactions"))(Encoder("interactions", 1)(event)) == event


@given(st.integers(0, 2**32 - 1), st.binary())
def test_a_frame_comes_apart_as_it_was_put_together(schema_id: int, body: bytes) -> None:
    assert unframe(frame(schema_id, body)) == (schema_id, body)


@pytest.mark.parametrize("payload", [b"", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x01x", b'{"a": 1}'])
def test_bytes_without_the_header_are_told_from_a_bad_body(payload: bytes) -> None:
    with pytest.raises(NotConfluentFramed):
        unframe(payload)


@pytest.mark.parametrize("cut", range(1, 55))
def test_a_record_cut_short_anywhere_is_unreadable(cut: int) -> None:
    whole = bytes.fromhex(GOLDEN)
    with pytest.raises(UnreadableRecord):
        a_decoder(id_258=schema_text("interactions"))(whole[:5] + whole[5:-cut])


def test_bytes_after_the_record_make_it_unreadable() -> None:
    with pytest.raises(UnreadableRecord, match="2 bytes are left over"):
        a_decoder(id_258=schema_text("interactions"))(bytes.fromhex(GOLDEN) + b"\x00\x00")


def test_a_record_of_another_schema_is_unreadable() -> None:
    item = Encoder("catalog", 9)({"item_id": "1", "updated_at": NOON})
    with pytest.raises(UnreadableRecord):
        a_decoder(id_9=schema_text("catalog"))(item)


def other_writer(**fields: Any) -> tuple[str, Any]:
    """Return the text of a schema of `interactions` with some fields replaced, added, or (None) left out."""
    text = json.loads(schema_text("interactions"))
    kept = {field["name"]: field for field in text["fields"]} | fields
    text["fields"] = [field for field in kept.values() if field is not None]
    return json.dumps(text), text


def write(text: Any, event: dict[str, Any], schema_id: int) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(text), event)
    return frame(schema_id, body.getvalue())


def test_an_older_writer_without_a_field_is_read_with_its_default() -> None:
    text, parsed = other_writer(context=None, request_id=None)
    payload = write(parsed, a_view(), 3)
    assert a_decoder(id_3=text)(payload) == a_view(context={}, request_id=None)


def test_a_newer_writer_with_another_field_is_read_without_it() -> None:
    text, parsed = other_writer(campaign={"name": "campaign", "type": "string"})
    payload = write(parsed, a_view(campaign="spring"), 4)
    assert a_decoder(id_4=text)(payload) == a_view()


def test_an_event_type_that_a_newer_writer_knows_is_read_as_unknown() -> None:
    symbols = {"type": "enum", "name": "EventType", "symbols": [*EVENT_TYPES, "gift"], "default": "UNKNOWN"}
    text, parsed = other_writer(event_type={"name": "event_type", "type": symbols})
    payload = write(parsed, a_view(event_type="gift"), 5)
    assert a_decoder(id_5=text)(payload) == a_view(event_type="UNKNOWN")


def test_each_schema_is_fetched_once_and_a_failed_fetch_is_tried_again() -> None:
    asked: list[int] = []

    def fetch(schema_id: int) -> str:
        asked.append(schema_id)
        if len(asked) == 1:
            raise KeyError(schema_id)
        return schema_text("interactions")

    decode = Decoder("interactions", fetch)
    with pytest.raises(KeyError):
        decode(bytes.fromhex(GOLDEN))
    assert decode(bytes.fromhex(GOLDEN)) == decode(bytes.fromhex(GOLDEN)) == a_view()
    assert asked == [258, 258]
