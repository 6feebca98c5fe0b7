"""What the features must be, by definition: recomputed from the raw topic with no code of the engine.

Slow and obvious on purpose. Each feature of a key is computed from the full list of the key's events, as of the latest
of their times.
"""

import base64
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PAGES = {"view", "click", "category_view", "search", "play"}


@dataclass(frozen=True)
class Event:
    """One event that counts, with its place in the log."""

    subject: str
    item: str | None
    category: str | None
    kind: str
    time: int
    value: float | None
    offset: int


Key = tuple[str, ...]
Values = dict[str, Any]


def subject(user_id: str, key: bytes) -> str:
    """Return the pseudonym of a user."""
    return base64.urlsafe_b64encode(hmac.new(key, user_id.encode(), hashlib.sha256).digest()[:18]).decode()


def events(raw: Iterable[tuple[int, Mapping[str, Any]]], categories: Mapping[str, str], key: bytes) -> list[Event]:
    """Return the events of (offset, record) pairs, each event id once."""
    seen: dict[str, Event] = {}
    for offset, record in raw:
        item = record["item_id"]
        event = Event(
            subject(record["user_id"], key),
            item,
            categories.get(item) if item else None,
            record["event_type"],
            record["event_time"],
            record["value"],
            offset,
        )
        seen.setdefault(record["event_id"], event)
    return list(seen.values())


def user_activity(history: list[Event]) -> Values:
    """Return the features of one user."""
    now = max(event.time for event in history)
    session = current_session(history)
    day = in_window(history, now, DAY, 30 * MINUTE)
    bought = [event for event in history if event.kind == "purchase"]
    return {
        "user_events_count_5m": len(in_window(history, now, 5 * MINUTE, MINUTE)),
        "user_events_count_1h": len(in_window(history, now, HOUR, 5 * MINUTE)),
        "user_events_count_24h": len(day),
        "user_spend_sum_24h": sum(event.value or 0.0 for event in day if event.kind == "purchase"),
        "user_items_last_20": latest(history, 20),
        "user_purchases_last_50": latest(bought, 50),
        "user_categories_last_50": categories(history, 50),
        "user_session_length": len(session),
        "user_session_depth": sum(event.kind in PAGES for event in session),
        "user_session_duration": (max(e.time for e in session) - min(e.time for e in session)) / 1000,
    }


def user_category_affinity(history: list[Event]) -> Values:
    """Return the features of one user and category."""
    return {
        "user_category_ewma_7d": ewma(history, 7 * DAY),
        "user_category_ewma_30m": ewma(history, 30 * MINUTE),
    }


def item_popularity(history: list[Event]) -> Values:
    """Return the features of one item."""
    hour, day = ewma(history, HOUR), ewma(history, DAY)
    return {
        "item_events_ewma_1h": hour,
        "item_events_ewma_24h": day,
        "item_events_trend_1h_24h": (hour / HOUR) / (day / DAY),
    }


def in_window(history: list[Event], now: int, length: int, slide: int) -> list[Event]:
    """Return the events of the window that ends with the slide that holds `now`."""
    start = (now // slide + 1) * slide - length
    return [event for event in history if event.time >= start]


def ewma(history: list[Event], half_life: int) -> float:
    """Return the decayed count as of the latest event."""
    now = max(event.time for event in history)
    return float(sum(2.0 ** (-(now - event.time) / half_life) for event in history))


def latest(history: list[Event], n: int) -> list[str]:
    """Return the items of the n latest events that have one, newest first."""
    with_item = [event for event in history if event.item is not None]
    with_item.sort(key=lambda event: (event.time, event.offset), reverse=True)
    return [event.item for event in with_item[:n] if event.item]


def categories(history: list[Event], n: int) -> list[str]:
    """Return the n categories whose latest events are the latest, newest first."""
    ordered = sorted(history, key=lambda event: (event.time, event.offset), reverse=True)
    return list(dict.fromkeys(event.category for event in ordered if event.category is not None))[:n]


def current_session(history: list[Event]) -> list[Event]:
    """Return the run of events, less than 30 minutes apart, that holds the latest one."""
    ordered = sorted(history, key=lambda event: event.time)
    run = [ordered.pop()]
    while ordered and run[-1].time - ordered[-1].time < 30 * MINUTE:
        run.append(ordered.pop())
    return run


def expected(happened: Iterable[Event]) -> dict[str, dict[Key, tuple[int, int, Values]]]:
    """Return for each view and key: the number of its events, the latest time, and the features."""
    by_user: dict[Key, list[Event]] = defaultdict(list)
    by_pair: dict[Key, list[Event]] = defaultdict(list)
    by_item: dict[Key, list[Event]] = defaultdict(list)
    for event in happened:
        by_user[(event.subject,)].append(event)
        if event.category is not None:
            by_pair[(event.subject, event.category)].append(event)
        if event.item is not None:
            by_item[(event.item,)].append(event)
    views = (
        ("user_activity", by_user, user_activity),
        ("user_category_affinity", by_pair, user_category_affinity),
        ("item_popularity", by_item, item_popularity),
    )
    return {
        name: {key: (len(group), max(e.time for e in group), compute(group)) for key, group in groups.items()}
        for name, groups, compute in views
    }
