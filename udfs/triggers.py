"""What a rule that fired tells: the record that announces it on `feature-updates`, and back."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from freshet.schemas.avro import Record


class Trigger(NamedTuple):
    """A rule that fired for a user. It acts from `since` until `until`, in milliseconds of event time.

    `category` is the one to act on, `factor` that of a boost, `intervention` the name of what the front end is to do.
    """

    since: int
    until: int
    rule: str
    action: str
    category: str | None
    item_id: str | None
    factor: float | None
    intervention: str | None


class Cause(NamedTuple):
    """The event that completed a rule's pattern, or the last one of a pattern that time completed."""

    subject: str
    event_id: str
    event_type: str
    event_time: int
    item_id: str | None
    category: str | None


def announcement(cause: Cause, trigger: Trigger, now_ms: int) -> Record:
    """Return the record of `feature-updates`.

    It writes no features, so its version, of the event's time and no events, is older than any list of the same time.
    """
    return {
        "subject": cause.subject,
        "as_of": cause.event_time,
        "version": 0,
        "views": [],
        "event_id": cause.event_id,
        "event_type": cause.event_type,
        "event_time": cause.event_time,
        "item_id": cause.item_id,
        "category": cause.category,
        "written_at": now_ms,
        "trigger": trigger._asdict(),
    }


def trigger_of(record: Mapping[str, Any]) -> Trigger | None:
    """Return the trigger of a record of `feature-updates`; most have none."""
    told = record["trigger"]
    return None if told is None else Trigger(**told)
