"""What the features must be, by definition: recomputed from the raw topic with no code of the engine.

Slow and obvious on purpose. Each feature of a key is computed from the full list of the key's events, as of an instant
that is not before the latest of them.
"""

import base64
import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import stdev
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


@dataclass(frozen=True)
class Estimate:
    """A count that a sketch of 256 hashes tells exactly below that number, and above it with an error of 6 % (1 sigma)."""

    count: int

    def allows(self, found: Any) -> bool:
        """Tell whether an estimate is as near as it must be; five sigma from the count once in two million times."""
        return bool(found == self.count if self.count < 256 else abs(found / self.count - 1) < 0.32)


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


def user_activity(history: list[Event], now: int) -> Values:
    """Return the features of one user."""
    session = current_session(history, now)
    hour, day = in_window(history, now, HOUR, 5 * MINUTE), in_window(history, now, DAY, 30 * MINUTE)
    bought = [event for event in history if event.kind == "purchase"]
    carted = [event for event in history if event.kind in ("add_to_cart", "remove_from_cart", "purchase")]
    paid = [event.value for event in day if event.kind == "purchase" and event.value is not None]
    tried = [event for event in day if event.kind in ("view", "add_to_cart")]
    seen = Counter(event.category for event in day if event.category is not None)
    return {
        "user_events_count_5m": len(in_window(history, now, 5 * MINUTE, MINUTE)),
        "user_events_count_1h": len(hour),
        "user_events_count_24h": len(day),
        "user_spend_sum_24h": float(sum(paid)),
        "user_items_last_20": latest(history, 20),
        "user_item_times_last_20": [str(event.time) for event in newest(history, 20)],
        "user_purchases_last_50": latest(bought, 50),
        "user_purchase_times_last_50": [str(event.time) for event in newest(bought, 50)],
        "user_cart_events_last_50": [f"{event.kind} {event.item}" for event in newest(carted, 50)],
        "user_categories_last_50": each_once([(e.category, e) for e in history], 50),
        "user_session_length": len(session),
        "user_session_depth": sum(event.kind in PAGES for event in session),
        "user_session_duration": (max(e.time for e in session) - min(e.time for e in session)) / 1000
        if session
        else 0.0,
        "user_session_items_10": each_once([(e.item, e) for e in session], 10),
        "user_clicks_count_1h": sum(event.kind == "click" for event in hour),
        "user_items_distinct_1h": len({event.item for event in hour} - {None}),
        "user_purchase_mean_24h": sum(paid) / len(paid) if paid else None,
        "user_purchase_max_24h": max(paid, default=None),
        "user_cart_rate_24h": share([e.kind == "add_to_cart" for e in tried], 0.05, 20),
        "user_since_purchase": since(bought, now),
        "user_top_categories_24h": sorted(seen, key=lambda one: (-seen[one], one))[:3],
    }


def user_category_affinity(history: list[Event], now: int) -> Values:
    """Return the features of one user and category."""
    return {
        "user_category_ewma_7d": ewma(history, now, 7 * DAY),
        "user_category_ewma_30m": ewma(history, now, 30 * MINUTE),
    }


def item_popularity(history: list[Event], now: int) -> Values:
    """Return the features of one item."""
    hour, day = ewma(history, now, HOUR), ewma(history, now, DAY)
    bought = [event for event in history if event.kind == "purchase"]
    last_day = in_window(history, now, DAY, HOUR)
    week, bought_week = ewma(history, now, 7 * DAY), ewma(bought, now, 7 * DAY)
    clicks = [event.kind == "click" for event in last_day if event.kind in ("view", "click")]
    return {
        "item_events_ewma_1h": hour,
        "item_events_ewma_24h": day,
        "item_events_trend_1h_24h": (hour / HOUR) / (day / DAY),
        "item_click_rate_24h": share(clicks, 0.1, 20),
        "item_purchase_rate_ewma_7d": (bought_week + 50 * 0.02) / (week + 50),
        "item_users_distinct_24h": Estimate(len({event.subject for event in last_day})),
        "item_since_purchase": since(bought, now),
    }


def category_trends(history: list[Event], now: int) -> Values:
    """Return the features of one category."""
    hour, day = ewma(history, now, HOUR), ewma(history, now, DAY)
    last_day = in_window(history, now, DAY, HOUR)
    paid = [event.value for event in last_day if event.kind == "purchase" and event.value is not None]
    return {
        "category_events_ewma_1h": hour,
        "category_events_trend_1h_24h": (hour / HOUR) / (day / DAY),
        "category_spend_sum_24h": float(sum(paid)),
        "category_price_stddev_24h": stdev(paid) if len(paid) > 1 else None,
        "category_purchase_rate_24h": share([event.kind == "purchase" for event in last_day], 0.02, 50),
        "category_events_by_hour": [
            sum(event.time // HOUR == now // HOUR - back for event in last_day) for back in range(24)
        ],
    }


def share(hits: list[bool], prior: float, weight: float) -> float:
    """Return the share of hits, with a prior of so many events."""
    return (sum(hits) + weight * prior) / (len(hits) + weight)


def since(history: list[Event], now: int) -> float | None:
    """Return the seconds since the latest event."""
    return (now - max(event.time for event in history)) / 1000 if history else None


def in_window(history: list[Event], now: int, length: int, slide: int) -> list[Event]:
    """Return the events of the window that ends with the slide that holds `now`."""
    start = (now // slide + 1) * slide - length
    return [event for event in history if event.time >= start]


def ewma(history: list[Event], now: int, half_life: int) -> float:
    """Return the decayed count."""
    return float(sum(2.0 ** (-(now - event.time) / half_life) for event in history))


def latest(history: list[Event], n: int) -> list[str]:
    """Return the items of the n latest events that have one, newest first."""
    return [event.item for event in newest(history, n) if event.item]


def newest(history: list[Event], n: int) -> list[Event]:
    """Return the n latest events that have an item, newest first."""
    with_item = [event for event in history if event.item is not None]
    return sorted(with_item, key=lambda event: (event.time, event.offset), reverse=True)[:n]


def each_once(values: list[tuple[str | None, Event]], n: int) -> list[str]:
    """Return the n values whose latest events are the latest, newest first."""
    ordered = sorted(values, key=lambda pair: (pair[1].time, pair[1].offset), reverse=True)
    return list(dict.fromkeys(value for value, _ in ordered if value is not None))[:n]


def current_session(history: list[Event], now: int) -> list[Event]:
    """Return the run of events, less than 30 minutes apart, that holds the latest one, unless it is over."""
    ordered = sorted(history, key=lambda event: event.time)
    run = [ordered.pop()]
    while ordered and run[-1].time - ordered[-1].time < 30 * MINUTE:
        run.append(ordered.pop())
    return run if now - run[0].time < 30 * MINUTE else []


VIEWS = {
    "user_activity": user_activity,
    "user_category_affinity": user_category_affinity,
    "item_popularity": item_popularity,
    "category_trends": category_trends,
}


def histories(happened: Iterable[Event]) -> dict[str, dict[Key, list[Event]]]:
    """Return for each view and key its events."""
    groups: dict[str, dict[Key, list[Event]]] = {name: defaultdict(list) for name in VIEWS}
    for event in happened:
        groups["user_activity"][(event.subject,)].append(event)
        if event.category is not None:
            groups["user_category_affinity"][(event.subject, event.category)].append(event)
            groups["category_trends"][(event.category,)].append(event)
        if event.item is not None:
            groups["item_popularity"][(event.item,)].append(event)
    return groups
