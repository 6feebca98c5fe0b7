"""What is popular: by decayed counts, among everybody or among people who have something in common with the user.

People at the same stage have it too: what newcomers begin with is not what is popular among all. On MovieLens-100K the
first items of newcomers are among the first ten of the list of stage 0 twice as often as among the first ten of all.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from freshet.models.best import best
from freshet.models.sources.rows import LearntRows, Rows
from freshet.models.sources.source import Found, found_by_number, nothing_found
from freshet.models.user_state import NOTHING, Ints, UserState

STAGES = 9
"""Stages of a user: nothing yet, 1 to 3 events, 4 to 7, 8 to 15 ... 256 and more."""


class Segment(Protocol):
    """Tells the rows of the segments that a user belongs to, the most specific first."""

    def __call__(self, user: UserState) -> Ints:
        """Return keys of rows, int64 [n]."""


def everybody(user: UserState) -> Ints:
    """Return the row of all users.

    >>> everybody(UserState(0))
    array([1])
    """
    return np.array([1], np.int64)


def stage(user: UserState) -> Ints:
    """Return the row of the users who had about as many events before this instant.

    >>> stage(UserState(0)), stage(UserState(9, np.array([4, 3, 2, 1, 1]), np.array([9, 4, 3, 2, 1])))
    (array([1]), array([3]))
    """
    n = int((user.times < user.now_ms).sum()) if len(user.times) else len(user.items)
    return np.array([1 + (0 if n == 0 else min(max(n.bit_length() - 1, 1), STAGES - 1))], np.int64)


class ContextSegment:
    """The users whose events say the same in one field, such as `geo`; numbered as they come."""

    def __init__(self, field: str, numbers: Mapping[str, int] | None = None) -> None:
        """Take the field of the context, or `group`; and the numbers of its values, where something else gives them."""
        self._field = field
        self._learnt: dict[str, int] | None = {} if numbers is None else None
        self._numbers = self._learnt if numbers is None else numbers

    def __call__(self, user: UserState) -> Ints:
        """Return the row of the value that the user's context has, none where it has none."""
        value = user.group if self._field == "group" else user.context.get(self._field)
        if value is None:
            return NOTHING
        if self._learnt is not None and value not in self._learnt:
            self._learnt[value] = len(self._learnt) + 1
        number = (self._numbers or {}).get(value, 0)
        return np.array([number], np.int64) if number else NOTHING


def categories(user: UserState) -> Ints:
    """Return the rows of the categories that the user looked at last."""
    return user.categories


class Popular:
    """Proposes what has the largest decayed counts in the first segment of the user that has any."""

    def __init__(
        self, rows: Rows, segment: Segment = everybody, name: str = "popular", text: str = "popular right now"
    ) -> None:
        self._rows, self._segment, self.name, self._text = rows, segment, name, text

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items."""
        keys = self._segment(user)
        if not len(keys):
            return nothing_found()
        members, counts = self._rows.of(keys)
        filled = np.flatnonzero(counts.any(axis=1))
        if not len(filled):
            return nothing_found()
        row = filled[0]
        top = best(counts[row], k)
        scores, kind = counts[row][top], "trend" if self._segment is everybody else "segment"
        return found_by_number(members[row][top].astype(np.int64), scores, kind, self._text, scores)


class PopularLearner:
    """Counts each event in the rows of the user's segments."""

    def __init__(self, rows: LearntRows, segment: Callable[[UserState], Ints] = everybody) -> None:
        self._rows, self._segment = rows, segment

    def learn(self, user: UserState, item: int, weight: float) -> None:
        """Take in an event; see `Learner`."""
        if len(keys := self._segment(user)):
            self._rows.add_to_each(keys, item, np.full(len(keys), weight, np.float32), user.now_ms)
