"""A seeded crowd for tests: users who view, click, search and buy, a little out of order, with some events sent twice."""

import random
from collections.abc import Iterator
from typing import Any

KINDS = ("view", "click", "search", "add_to_cart", "purchase")
WEIGHTS = (50, 25, 10, 10, 5)
LATENESS_MS = 3_000
TWICE = 0.05
ITEMS = [f"item-{number}" for number in range(300)]


def crowd(
    count: int, *, users: int, items: list[str], start_ms: int, seed: int, gap_ms: int = 40
) -> Iterator[dict[str, Any]]:
    """Yield `count` different events, and a copy of one in twenty later on."""
    chance = random.Random(seed)
    copies: list[dict[str, Any]] = []
    for number in range(count):
        event = an_event(chance, number, users, items, start_ms + number * gap_ms)
        event["event_id"] = f"crowd-{seed}-{number}"  # another crowd's events are others
        yield event
        if chance.random() < TWICE:
            copies.append(event)
        if len(copies) > 50:
            yield copies.pop(chance.randrange(len(copies)))
    yield from copies


def an_event(chance: random.Random, number: int, users: int, items: list[str], now_ms: int) -> dict[str, Any]:
    """Return one event at about `now_ms`."""
    kind = chance.choices(KINDS, WEIGHTS)[0]
    return {
        "event_id": f"event-{number}",
        "user_id": f"user-{int(users * chance.random() ** 2)}",
        "item_id": None if kind == "search" else items[int(len(items) * chance.random() ** 2)],
        "event_type": kind,
        "event_time": now_ms - chance.randrange(LATENESS_MS),
        "value": round(chance.uniform(0.5, 40.0), 2) if kind == "purchase" else None,
        "session_id": None,
        "request_id": None,
        "context": {"page": "home"},
    }


def catalogue() -> Iterator[dict[str, Any]]:
    """Yield the items: every tenth is missing, so that some events have no category."""
    for number, item in enumerate(ITEMS):
        if number % 10:
            yield {"item_id": item, "category": f"category-{number % 17}", "updated_at": 0}
