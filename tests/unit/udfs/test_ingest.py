"""Every record of `interactions` becomes a clean event or a refusal that keeps it whole; none stops the job."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bad_records import UNREGISTERED_ID, BadRecord, bad_records
from builders import NOON, a_click, a_purchase, an_interaction, hours
from freshet.schemas.avro import Decoder, Encoder, frame, parse, schema_text
from freshet.schemas.registry import RegistryUnreachable, SchemaNotFound
from freshet.schemas.topics import INTERACTIONS, INTERACTIONS_CLEAN, INTERACTIONS_REJECTED
from freshet.udfs import rejections
from freshet.udfs.catalogue import Catalogue, Place
from freshet.udfs.clean import Position
from freshet.udfs.ingest import Ingest, Outcome, Raw
from freshet.udfs.pseudonym import subject_of

INTERACTIONS_ID, CATALOG_ID, CLEAN_ID, REJECTED_ID = 1, 2, 3, 4
REGISTERED = {INTERACTIONS_ID: schema_text(INTERACTIONS), CATALOG_ID: schema_text("catalog")}
KEY = b"a secret of the tests"
MILK = Place("GROCERY", "FLUID MILK PRODUCTS", "MILK", None)
AT = Position(INTERACTIONS, 3, 41)

encode = Encoder(INTERACTIONS, INTERACTIONS_ID)


def an_ingest(registered: Mapping[int, str] = REGISTERED, fetch: Callable[[int], str] | None = None) -> Ingest:
    """Return the step with a registry that holds these schemas, and a catalogue of one item."""

    def look_up(schema_id: int) -> str:
        if schema_id not in registered:
            raise SchemaNotFound(f"no schema {schema_id}")
        return registered[schema_id]

    catalogue = Catalogue()
    catalogue.apply([("1095275", MILK)])
    return Ingest(
        decode=Decoder(INTERACTIONS, fetch or look_up),
        encode_clean=Encoder(INTERACTIONS_CLEAN, CLEAN_ID),
        encode_rejected=Encoder(INTERACTIONS_REJECTED, REJECTED_ID),
        catalogue=catalogue,
        key=KEY,
        now_ms=lambda: NOON,
    )


def raw(payload: bytes | None, key: bytes | None = b"900") -> Raw:
    return Raw(payload, key, AT, record_time=NOON + 7)


def read_clean(outcome: Outcome) -> dict[str, Any]:
    assert outcome.subject is not None, read_rejected(outcome)["detail"]
    return Decoder(INTERACTIONS_CLEAN, {CLEAN_ID: schema_text(INTERACTIONS_CLEAN)}.__getitem__)(outcome.value)


def read_rejected(outcome: Outcome) -> dict[str, Any]:
    assert outcome.subject is None
    return Decoder(INTERACTIONS_REJECTED, {REJECTED_ID: schema_text(INTERACTIONS_REJECTED)}.__getitem__)(outcome.value)


BAD = list(bad_records(INTERACTIONS_ID, CATALOG_ID))


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_a_bad_record_is_refused_for_its_reason_and_kept_whole(bad: BadRecord) -> None:
    rejected = read_rejected(an_ingest()(raw(bad.payload, bad.key)))
    assert rejected.pop("detail")
    assert rejected == {
        "reason": bad.reason,
        "key": bad.key,
        "payload": bad.payload,
        "topic": INTERACTIONS,
        "partition": 3,
        "offset": 41,
        "record_time": NOON + 7,
    }


def test_there_is_a_bad_record_for_every_reason() -> None:
    reasons = {value for name, value in vars(rejections).items() if name.isupper()}
    assert {bad.reason for bad in BAD} == reasons - {rejections.TOO_LATE}, "that one is said by the features job"


@pytest.mark.parametrize(
    "event",
    [
        a_click(user="900", item="1095275", session_id="s-1", context={"page": "/"}),
        a_purchase(user="900", paid=0.5, request_id="r-1"),
        an_interaction("search", item_id=None, at=NOON - hours(24 * 365)),
        an_interaction("category_view", item_id=None, context={"query": "молоко 🥛"}),
    ],
    ids=lambda event: event["event_type"],
)
def test_a_good_event_passes_unchanged_under_its_subject(event: dict[str, Any]) -> None:
    outcome = an_ingest()(raw(encode(event)))
    event = dict(event)
    subject = subject_of(event.pop("user_id"), KEY)
    passed = read_clean(outcome)
    assert outcome.subject == passed["subject"] == subject
    assert event.items() <= passed.items()
    assert (passed["source_partition"], passed["source_offset"]) == (3, 41)


def test_a_known_item_is_placed_and_an_unknown_one_passes_without_a_place() -> None:
    ingest = an_ingest()
    milk = read_clean(ingest(raw(encode(a_click(item="1095275")))))
    other = read_clean(ingest(raw(encode(a_click(item="1")))))
    names = ("department", "category", "product_type", "brand")
    assert [milk[name] for name in names] == [MILK.department, MILK.category, MILK.product_type, MILK.brand]
    assert [other[name] for name in names] == [None] * 4


def test_no_byte_of_the_user_id_leaves() -> None:
    outcome = an_ingest()(raw(encode(a_click(user="ann.q.example", context={"user_id": "ann.q.example"}))))
    assert b"ann.q.example" not in outcome.value


def test_a_type_that_only_a_newer_producer_knows_is_refused_as_unknown() -> None:
    newer = schema_text(INTERACTIONS).replace('"share"', '"share", "bookmark"')
    body = io.BytesIO()
    fastavro.schemaless_writer(body, parse(newer), an_interaction("bookmark"))
    rejected = read_rejected(an_ingest({9: newer})(raw(frame(9, body.getvalue()))))
    assert rejected["reason"] == rejections.UNKNOWN_TYPE


def test_a_registry_that_does_not_answer_stops_the_event_and_not_only_this_one() -> None:
    """The event may be good: it must wait, not be refused."""

    def down(schema_id: int) -> str:
        raise RegistryUnreachable("no answer")

    ingest = an_ingest(fetch=down)
    with pytest.raises(RegistryUnreachable):
        ingest(raw(encode(a_click())))
    assert read_rejected(ingest(raw(b"{}")))["reason"] == rejections.NOT_FRAMED


def test_a_schema_once_fetched_is_not_asked_for_again() -> None:
    asked = []

    def fetch(schema_id: int) -> str:
        asked.append(schema_id)
        return REGISTERED[schema_id]

    ingest = an_ingest(fetch=fetch)
    for number in range(3):
        read_clean(ingest(raw(encode(a_click(at=NOON - number)))))
    assert asked == [INTERACTIONS_ID]


@pytest.mark.parametrize(
    "text",
    [
        '{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}',
        'syntax = "proto3"; message Click { string user = 1; }',
        '{"type": "record", "name": "Cut", "fields": [{"name": "a", "type": "another.Record"}]}',
    ],
    ids=["JSON schema", "Protobuf", "Avro that names what it does not hold"],
)
def test_an_id_of_a_schema_that_is_not_avro_is_a_refusal(text: str) -> None:
    """A registry holds schemas of other kinds too, and anybody can write their ids in front of anything."""
    assert read_rejected(an_ingest({5: text})(raw(frame(5, b"x"))))["reason"] == rejections.UNREADABLE


IDS = st.sampled_from((INTERACTIONS_ID, CATALOG_ID, UNREGISTERED_ID, 0, 2**32 - 1))
GOOD = encode(a_click(user="900", item="1095275", value=1.5, session_id="s-1", context={"page": "/"}))
ANYTHING = st.one_of(
    st.none(),
    st.binary(max_size=200),
    st.builds(frame, IDS, st.binary(max_size=200)),
    # A good record, but for a few bytes.
    st.lists(st.tuples(st.integers(5, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4).map(
        lambda changes: b"".join(bytes([dict(changes).get(at, byte)]) for at, byte in enumerate(GOOD))
    ),
)


@given(ANYTHING, st.none() | st.binary(max_size=20))
@example(frame(INTERACTIONS_ID, b"\xff" * 20), None)
def test_anything_at_all_is_clean_or_kept(payload: bytes | None, key: bytes | None) -> None:
    outcome = an_ingest()(raw(payload, key))
    if outcome.subject is None:
        rejected = read_rejected(outcome)
        assert (rejected["payload"], rejected["key"]) == (payload, key)
    else:
        assert read_clean(outcome)["subject"] == outcome.subject
