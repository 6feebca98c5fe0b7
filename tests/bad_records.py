"""One record of each kind that `interactions` must refuse, with the reason code that it must be refused with."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from freshet.schemas.avro import Encoder, frame

NOON = 1_514_808_000_000  # 2018-01-01T12:00:00Z
DAY_MS = 86_400_000
UNREGISTERED_ID = 2_000_000_000


@dataclass(frozen=True)
class BadRecord:
    """A record as it lies in the topic, and why it cannot be used."""

    name: str
    reason: str
    payload: bytes | None
    key: bytes | None = b"900"


def a_view(**changes: Any) -> dict[str, Any]:
    """Return a good event, but for the changes."""
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


def a_catalog_item() -> dict[str, Any]:
    """Return a record of the topic `catalog`."""
    return {"item_id": "1095275", "price": 0.5, "updated_at": NOON}


def bad_records(interactions_id: int, catalog_id: int, now_ms: int = NOON) -> Iterator[BadRecord]:
    """Yield each kind once; the ids are those under which the registry holds the two schemas.

    Every event that can be decoded has an event id of its own, so that none is taken for a duplicate.
    """
    encode = Encoder("interactions", interactions_id)
    good = encode(a_view(event_time=now_ms))
    yield from _bad_bytes(good, interactions_id)
    yield BadRecord("a catalog record", "unreadable", Encoder("catalog", catalog_id)(a_catalog_item()))
    for number, bad in enumerate(_bad_events(now_ms)):
        event = a_view(event_time=now_ms) | {"event_id": f"bad-{number}"} | bad.changes
        yield BadRecord(bad.name, bad.reason, encode(event), event["user_id"].encode() or None)


def _bad_bytes(good: bytes, schema_id: int) -> Iterator[BadRecord]:
    yield BadRecord("no payload", "null-payload", None)
    yield BadRecord("an empty payload", "null-payload", b"")
    yield BadRecord("no magic byte", "not-framed", b"\x01" + good[1:])
    yield BadRecord("JSON text", "not-framed", b'{"event_id": "e-1", "user_id": "900"}')
    yield BadRecord("a header cut short", "not-framed", good[:4])
    yield BadRecord("an unknown schema id", "unknown-schema", frame(UNREGISTERED_ID, good[5:]))
    yield BadRecord("a header without a body", "unreadable", frame(schema_id, b""))
    yield BadRecord("a body cut short", "unreadable", good[:-3])
    yield BadRecord("bytes left over", "unreadable", good + b"\x00\x00")
    yield BadRecord("random bytes", "unreadable", frame(schema_id, bytes(range(255, 200, -1))))


@dataclass(frozen=True)
class _BadEvent:
    name: str
    reason: str
    changes: dict[str, Any]


def _bad_events(now_ms: int) -> Iterator[_BadEvent]:
    yield from _bad_ids()
    yield from _bad_times(now_ms)
    yield from _bad_values()
    yield _BadEvent("type UNKNOWN", "unknown-type", {"event_type": "UNKNOWN"})
    yield _BadEvent("one huge context value", "oversized-context", {"context": {"page": "x" * 200_000}})
    yield _BadEvent("thousands of context keys", "oversized-context", {"context": {f"k{n}": "v" for n in range(5_000)}})


def _bad_ids() -> Iterator[_BadEvent]:
    yield _BadEvent("an empty event id", "missing-event-id", {"event_id": ""})
    yield _BadEvent("an empty user id", "missing-user-id", {"user_id": ""})
    yield _BadEvent("an event id of 10,000 characters", "malformed-id", {"event_id": "e" * 10_000})
    yield _BadEvent("a user id of 10,000 characters", "malformed-id", {"user_id": "u" * 10_000})
    yield _BadEvent("an item id of 10,000 characters", "malformed-id", {"item_id": "i" * 10_000})
    yield _BadEvent("a line break in the user id", "malformed-id", {"user_id": "900\n901"})
    yield _BadEvent("a zero character in the item id", "malformed-id", {"item_id": "1095275\x00"})
    yield _BadEvent("a control character in the event id", "malformed-id", {"event_id": "e-\x1b[2J"})
    for event_type in ("view", "click", "purchase", "add_to_cart", "rate", "play"):
        yield _BadEvent(f"{event_type} without an item", "missing-item", {"event_type": event_type, "item_id": None})
    yield _BadEvent("view of an empty item id", "missing-item", {"item_id": ""})


def _bad_times(now_ms: int) -> Iterator[_BadEvent]:
    yield _BadEvent("a time ten days ahead", "time-in-future", {"event_time": now_ms + 10 * DAY_MS})
    yield _BadEvent("microseconds taken for milliseconds", "time-in-future", {"event_time": now_ms * 1000})
    yield _BadEvent("a time in 1999", "time-too-old", {"event_time": 946_684_799_999})
    yield _BadEvent("seconds taken for milliseconds", "time-too-old", {"event_time": now_ms // 1000})
    yield _BadEvent("a time before 1970", "time-too-old", {"event_time": -1})


def _bad_values() -> Iterator[_BadEvent]:
    purchase = _BadEvent("", "bad-value", {"event_type": "purchase"})
    for name, value in (("NaN", math.nan), ("infinite", math.inf), ("negative", -0.01)):
        yield replace(purchase, name=f"a purchase of {name} value", changes=purchase.changes | {"value": value})
    yield _BadEvent("a dwell of minus infinity", "bad-value", {"value": -math.inf})
    yield _BadEvent("a rating of 1000", "bad-value", {"event_type": "rate", "value": 1000.0})
    yield _BadEvent("a negative rating", "bad-value", {"event_type": "rate", "value": -1.0})
