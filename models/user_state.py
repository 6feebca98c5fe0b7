"""What is known of one user at the instant at which a list is made for him."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

NOTHING: Ints = np.zeros(0, np.int64)
NO_COUNTS: Reals = np.zeros((0, 3))
NO_VISITS: Reals = np.zeros(3)
for _empty in (NOTHING, NO_COUNTS, NO_VISITS):
    _empty.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Habits:
    """How often a user buys each item, as of the instant of his state. Arrays are aligned and hold each item once.

    Attributes:
        items: int64 [n], in any order.
        counts: float64 [n, 3], visits with the item, decayed with half-lives of 7, 30 and 120 days.
        last_ms: int64 [n], when the item was bought last.
        visits: float64 [3], all his visits, decayed alike.
    """

    items: Ints = field(default_factory=lambda: NOTHING)
    counts: Reals = field(default_factory=lambda: NO_COUNTS)
    last_ms: Ints = field(default_factory=lambda: NOTHING)
    visits: Reals = field(default_factory=lambda: NO_VISITS)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.items)


@dataclass(frozen=True, eq=False)
class UserState:
    """A user's behaviour before an instant. Items and categories are indices of a vocabulary from 1; 0 is never in them.

    The job reads it from the online store, an evaluation keeps it in memory (`user_states.py`); sources see no difference.

    Attributes:
        now_ms: the instant.
        items: int64 [n], items of the latest events, newest first, repeats kept.
        times: int64 [n], when each was, ms; empty where the times are not known.
        bought: int64 [n], items bought last, newest first, repeats kept.
        bought_at: int64 [n], when each was bought, ms; empty where the times are not known.
        basket: int64 [n], items in the cart now, or of the basket to complete, each once.
        counts: item -> decayed count of the user's purchases of it (events of it where nothing is bought).
        habits: what the user buys again and again; empty where nothing is bought.
        categories: int64 [n], categories of the latest events, each once, newest first.
        recalled: int64 [n], categories that a rule recalls for him now.
        context: what the event said beside: `geo`, `device`, `page`, `item_id` on a detail page.
        group: the demographic or behavioural group, None where it is not known.
    """

    now_ms: int
    items: Ints = field(default_factory=lambda: NOTHING)
    times: Ints = field(default_factory=lambda: NOTHING)
    bought: Ints = field(default_factory=lambda: NOTHING)
    bought_at: Ints = field(default_factory=lambda: NOTHING)
    basket: Ints = field(default_factory=lambda: NOTHING)
    counts: Mapping[int, float] = field(default_factory=dict)
    habits: Habits = field(default_factory=Habits)
    categories: Ints = field(default_factory=lambda: NOTHING)
    recalled: Ints = field(default_factory=lambda: NOTHING)
    context: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether nothing is known of the user's behaviour."""
        return not len(self.items)


LATEST = 50
"""Items of a user that `Users` holds."""


class Users:
    """The states of the users of one batch, with what most sources look at as arrays.

    Attributes:
        states: of the B users.
        latest: int64 [B, `LATEST`], items of the latest events, newest first, 0 behind the last.
        times: int64 [B, `LATEST`], when each was, ms.
        counts: int64 [B], how many each has.
        timed: bool [B], whether the times are known.
    """

    def __init__(self, states: Sequence[UserState]) -> None:
        self.states = states
        shape = (len(states), LATEST)
        self.latest, self.times = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.counts = np.array([min(len(state.items), LATEST) for state in states], np.int64)
        self.timed = np.array([len(state.times) > 0 for state in states], np.bool_)
        for state, count, latest, times in zip(states, self.counts.tolist(), self.latest, self.times, strict=True):
            latest[:count] = state.items[:count]
            if len(state.times):
                times[:count] = state.times[:count]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.states)
