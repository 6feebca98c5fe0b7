"""What is known of one user at the instant at which a list is made for him."""

from collections.abc import Mapping
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
