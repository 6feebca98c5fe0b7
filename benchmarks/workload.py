"""The events of the benchmarks: sessions of a shop's users, from a seed, as clean interactions and as raw ones.

Users and items are drawn by a mild Zipf law, sessions are spread over thirty hours so that every window fills and empties,
and events arrive up to three seconds after they happened, so not in the order of their times.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freshet.schemas.avro import Record
from freshet.udfs.pseudonym import subject_of

USERS = 20_000
ITEMS = 5_000
CATEGORIES = 300
SPAN_MS = 30 * 3_600_000
LATEST_MS = 3_000
SESSION_EVENTS = 8  # mean
STEP_S = 25.0  # mean time between the events of a session
KEY = b"the benchmark's pseudonym key"

# Shares of what front ends send; the last two carry no item.
TYPES = {
    "view": 0.46,
    "click": 0.22,
    "add_to_cart": 0.07,
    "purchase": 0.04,
    "like": 0.05,
    "play": 0.06,
    "category_view": 0.06,
    "search": 0.04,
}
WITHOUT_ITEM = ("category_view", "search")
WITH_VALUE = ("view", "play", "purchase")


@dataclass(frozen=True)
class Workload:
    """Columns of events in the order in which they arrive; equal seeds give equal events."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    types: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.users)

    def expected_versions(self) -> dict[str, int]:
        """Return how many events each subject has: what the version of its features counts up to."""
        numbers, counts = np.unique(self.users, return_counts=True)
        return {subject(int(user)): int(count) for user, count in zip(numbers, counts, strict=True)}

    def clean(self) -> Iterator[Record]:
        """Yield the events as records of `interactions.clean`."""
        names = list(TYPES)
        columns = (self.users, self.items, self.types, self.times, self.values)
        for number, (user, item, kind, time, value) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            yield clean_event(number, user, item, names[kind], time, value)


@cache
def subject(user: int) -> str:
    """Return the subject of a user of the workload."""
    return subject_of(f"user-{user}", KEY)


def generate(count: int, end_ms: int, seed: int = 7) -> Workload:
    """Make so many events, the last of which happened just before `end_ms`."""
    rng = np.random.default_rng(seed)
    sessions = count // SESSION_EVENTS + 1
    lengths = rng.geometric(1 / SESSION_EVENTS, 2 * sessions)
    lengths = lengths[: int(np.searchsorted(lengths.cumsum(), count)) + 1]
    starts = rng.uniform(0, SPAN_MS, len(lengths))
    users = np.repeat(_zipf(rng, USERS, 0.6, len(lengths)), lengths)[:count]
    steps = rng.exponential(STEP_S * 1000, count)
    elapsed = steps.cumsum()
    first = np.repeat(np.concatenate(([0], lengths.cumsum()[:-1])), lengths)[:count]
    times = np.repeat(starts, lengths)[:count] + elapsed - elapsed[first]
    times = (end_ms - 1 - times.max() + times).astype(np.int64)
    arrival = np.argsort(times + rng.uniform(0, LATEST_MS, count), kind="stable")
    kinds = rng.choice(len(TYPES), count, p=list(TYPES.values()))
    return Workload(
        users=users[arrival],
        items=_zipf(rng, ITEMS, 0.8, count),
        types=kinds,
        times=times[arrival],
        values=rng.gamma(2.0, 10.0, count).round(2),
    )


def _zipf(rng: np.random.Generator, kinds: int, exponent: float, count: int) -> NDArray[np.int64]:
    weights = 1.0 / np.arange(1, kinds + 1) ** exponent
    return rng.choice(kinds, count, p=weights / weights.sum()).astype(np.int64)


def clean_event(number: int, user: int, item: int, kind: str, time: int, value: float) -> Record:
    """Return a record of `interactions.clean`."""
    known: dict[str, Any] = {"item_id": None, "department": None, "category": None, "product_type": None, "brand": None}
    if kind not in WITHOUT_ITEM:
        category = item % CATEGORIES
        known = {
            "item_id": f"item-{item}",
            "department": f"department-{category % 20}",
            "category": f"category-{category}",
            "product_type": f"type-{item % 1500}",
            "brand": f"brand-{item % 170}",
        }
    return known | {
        "event_id": f"bench-{number:09d}",
        "subject": subject(user),
        "event_type": kind,
        "event_time": time,
        "value": value if kind in WITH_VALUE else None,
        "session_id": f"session-{user}",
        "request_id": None,
        "source_partition": user % 4,
        "source_offset": number,
        "context": {"page": "home"},
    }
