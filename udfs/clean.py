"""From a raw interaction to a clean one: validate, replace the user by a subject, place the item."""

import math
from dataclasses import dataclass
from typing import Any

from freshet.udfs import rejections
from freshet.udfs.catalogue import Place
from freshet.udfs.rejections import Rejected

Record = dict[str, Any]

MINUTE_MS = 60_000
OLDEST_MS = 946_684_800_000  # 2000-01-01: an earlier time is a clock that was never set
FUTURE_TOLERANCE_MS = 5 * MINUTE_MS  # clocks of phones differ; one that is further ahead would move windows
LONGEST_ID = 256
CONTEXT_ENTRIES = 64
CONTEXT_CHARACTERS = 8_192

NEEDS_ITEM = frozenset(
    (
        "impression",
        "view",
        "click",
        "like",
        "dislike",
        "skip",
        "play",
        "rate",
        "add_to_cart",
        "remove_from_cart",
        "purchase",
        "share",
    )
)
NEVER_NEGATIVE = frozenset(("purchase", "add_to_cart", "rate", "play", "view"))
HIGHEST_RATING = 100.0

# What a front end may send that tells who or where someone is; it stops here.
PERSONAL = frozenset(
    (
        "user_id",
        "email",
        "phone",
        "name",
        "first_name",
        "last_name",
        "address",
        "ip",
        "ip_address",
        "device_id",
        "lat",
        "lon",
    )
)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int


def validate(record: Record, now_ms: int) -> None:
    """Check a decoded interaction.

    Raises:
        Rejected: with the first reason against it.
    """
    _check_ids(record)
    _check_type(record)
    _check_time(record["event_time"], now_ms)
    _check_value(record["event_type"], record["value"])
    _check_context(record["context"])


def _check_ids(record: Record) -> None:
    if not record["event_id"]:
        raise Rejected(rejections.MISSING_EVENT_ID, "event_id is empty")
    if not record["user_id"]:
        raise Rejected(rejections.MISSING_USER_ID, "user_id is empty")
    for name in ("event_id", "user_id", "item_id", "session_id", "request_id"):
        value = record[name]
        if value is not None and (len(value) > LONGEST_ID or not value.isprintable()):
            raise Rejected(rejections.MALFORMED_ID, f"{name} is longer than {LONGEST_ID} or holds control characters")


def _check_type(record: Record) -> None:
    if record["event_type"] == "UNKNOWN":
        raise Rejected(rejections.UNKNOWN_TYPE, "event_type is none that this version knows")
    if record["event_type"] in NEEDS_ITEM and not record["item_id"]:
        raise Rejected(rejections.MISSING_ITEM, f"{record['event_type']} needs an item_id")


def _check_time(event_time: int, now_ms: int) -> None:
    if event_time > now_ms + FUTURE_TOLERANCE_MS:
        ahead = (event_time - now_ms) // 1000
        raise Rejected(rejections.TIME_IN_FUTURE, f"event_time is {ahead} s ahead of the clock")
    if event_time < OLDEST_MS:
        raise Rejected(rejections.TIME_TOO_OLD, "event_time is before the year 2000")


def _check_value(event_type: str, value: float | None) -> None:
    if value is None:
        return
    if not math.isfinite(value):
        raise Rejected(rejections.BAD_VALUE, "value is not a finite number")
    if value < 0 and event_type in NEVER_NEGATIVE:
        raise Rejected(rejections.BAD_VALUE, f"a {event_type} cannot have a negative value")
    if event_type == "rate" and value > HIGHEST_RATING:
        raise Rejected(rejections.BAD_VALUE, f"a rating is at most {HIGHEST_RATING}")


def _check_context(context: dict[str, str]) -> None:
    characters = sum(len(key) + len(value) for key, value in context.items())
    if len(context) > CONTEXT_ENTRIES or characters > CONTEXT_CHARACTERS:
        raise Rejected(rejections.OVERSIZED_CONTEXT, f"{len(context)} entries of {characters} characters in context")


def clean(record: Record, subject: str, place: Place, at: Position) -> Record:
    """Return the record of `interactions.clean` for a valid interaction."""
    return {
        "event_id": record["event_id"],
        "subject": subject,
        "item_id": record["item_id"] or None,
        "event_type": record["event_type"],
        "event_time": record["event_time"],
        "value": record["value"],
        "session_id": record["session_id"],
        "request_id": record["request_id"],
        "department": place.department,
        "category": place.category,
        "product_type": place.product_type,
        "brand": place.brand,
        "source_partition": at.partition,
        "source_offset": at.offset,
        "context": {key: value for key, value in record["context"].items() if key.lower() not in PERSONAL},
    }
