"""What is known of updated users, read from the online store in one round trip, and the state that sources see of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from freshet.models.features import RECENT, USER_SOURCES, user_row
from freshet.models.rule_effects import recalled
from freshet.models.user_state import NOTHING, Ints, UserState
from freshet.udfs.active_rules import Active, ActiveRules, acting
from freshet.udfs.read_features import Feature, FeatureReader, Reading
from freshet.udfs.triggers import Trigger
from freshet.udfs.versions import Version

VIEW = "user_activity"
KEYS = ("subject",)
NUMBERS = tuple(source.feature for source in USER_SOURCES)
LISTS = (
    "user_items_last_20",
    "user_item_times_last_20",
    "user_purchases_last_50",
    "user_purchase_times_last_50",
    "user_categories_last_50",
    "user_cart_events_last_50",
)
FEATURES = (*NUMBERS, *LISTS)

ADDED = "add_to_cart"


class Update(NamedTuple):
    """A user whose features have changed, or for whom a rule fired."""

    subject: str
    as_of: int
    sequence: int
    event_id: str
    trigger: Trigger | None = None


class Index(NamedTuple):
    """Where the ids of the store lead: item id -> index, category name -> index; what is not in it is unknown."""

    items: Mapping[str, int]
    categories: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Profile:
    """What is known of a user when the list is made.

    Attributes:
        update: what woke the job.
        version: of the features that were read, which may be newer than what was announced.
        state: what candidate sources see.
        user: raw user features, in the order of `features.USER_SOURCES`.
        categories: names of the latest categories.
        rules: that act now.
    """

    update: Update
    version: Version
    state: UserState
    user: list[float]
    categories: frozenset[str]
    rules: Active


class ProfileReader:
    """Reads profiles; `index` gives the index as it stands, which grows with the catalogue."""

    def __init__(self, users: FeatureReader, rules: ActiveRules, index: Callable[[], Index]) -> None:
        """Take a reader of `FEATURES` of the view, the rules, and the index."""
        self._users = users
        self._rules = rules
        self._index = index

    def read(self, updates: Sequence[Update], now_ms: int) -> list[Profile]:
        """Return a profile for each of the updates, which are of different users.

        Triggers among them must have been written before, so that they act.

        Raises:
            redis.RedisError: the store did not answer.
        """
        subjects = [update.subject for update in updates]
        readings, (triggers,) = self._users.read_beside([(one,) for one in subjects], self._rules.reading(subjects))
        rules = [acting(those, now_ms) for those in triggers]
        index = self._index()
        return [_profile(*parts, index) for parts in zip(updates, readings, rules, strict=True)]


def _profile(update: Update, reading: Reading, rules: Active, index: Index) -> Profile:
    numbers, lists = reading.values[: len(NUMBERS)], [_texts(value) for value in reading.values[len(NUMBERS) :]]
    recent, recent_times, bought, bought_times, categories, cart = lists
    version = _version(reading, update)
    items, times = timed(recent[:RECENT], recent_times, index.items)
    purchases, bought_at = timed(bought, bought_times, index.items)
    state = UserState(
        now_ms=version.as_of,
        items=items,
        times=times,
        bought=purchases,
        bought_at=bought_at,
        basket=_known(in_cart(cart), index.items),
        categories=_known(categories, index.categories),
        recalled=np.array(recalled(rules, index.categories), np.int64),
    )
    row = user_row(dict(zip(NUMBERS, numbers, strict=True)))  # type: ignore[arg-type]
    return Profile(update, version, state, row, frozenset(categories), rules)


def timed(names: Sequence[str], times: Sequence[str], index_of: Mapping[str, int]) -> tuple[Ints, Ints]:
    """Return the indices of the known items, and when each was, ms; no times if there is not one for each.

    >>> timed(["b", "?", "a"], ["30", "20", "10"], {"a": 1, "b": 2})
    (array([2, 1]), array([30, 10]))
    """
    places = [at for at, name in enumerate(names) if name in index_of]
    items = np.array([index_of[names[at]] for at in places], np.int64)
    if len(times) < len(names):
        return items, NOTHING
    return items, np.array([int(times[at]) for at in places], np.int64)


def in_cart(events: Sequence[str]) -> list[str]:
    """Return what is in the cart, the latest first, from `<event type> <item>`, newest first.

    An item is in it if the latest event that it has there is that it was put in. What was bought has left it.

    >>> in_cart(["purchase b", "add_to_cart a", "remove_from_cart a", "add_to_cart b", "add_to_cart c"])
    ['a', 'c']
    """
    latest: dict[str, str] = {}
    for event in events:
        kind, _, item = event.partition(" ")
        latest.setdefault(item, kind)
    return [item for item, kind in latest.items() if kind == ADDED]


def _texts(value: Feature) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _known(names: Sequence[str], index_of: Mapping[str, int]) -> Ints:
    return np.array([index_of[name] for name in names if name in index_of], np.int64)


def _version(reading: Reading, update: Update) -> Version:
    if reading.version is None:
        return Version(update.as_of, update.sequence)
    as_of, _, sequence = reading.version.rpartition("-")
    return Version(int(as_of), int(sequence))
