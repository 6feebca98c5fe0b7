"""Rows of decayed counts: for each key its members, and how much speaks for each; the arithmetic of most sources.

A count of w at an instant is worth w 2^(-age / half-life) later. Sums of such counts are the same in whatever order the
events come. `LearntRows` keeps them in process; the trends job keeps the same for all workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from freshet.models.sources.source import Evidence, Floats, Found, best, nothing_found
from freshet.models.user_state import Ints, UserState

BEHIND = 3
"""Items that the evidence names at most."""

NEVER = float("inf")
"""Half-life of counts that do not decay."""

HEADROOM = 60.0
"""Half-lives that a 32-bit number grows by before all of them are brought down."""


class Rows(Protocol):
    """What a source reads. Counts and totals are as of one instant, which is the same for all of them."""

    @property
    def size(self) -> int:
        """One more than the highest member."""

    def of(self, keys: Ints) -> tuple[Ints, Floats]:
        """Return the rows of some keys: members int64 [n, K] with 0 for nobody, and their counts float32 [n, K]."""

    def totals(self, keys: Ints) -> Floats:
        """Return how often each key was counted itself, decayed: float32 [n]."""


class LearntRows:
    """Rows that are learnt in process. Keys and members are numbers from 1; what is not there yet gets a place.

    Counts are kept as they would be worth at one instant long ago, so that an older one need not be touched to decay.
    A row has places for half as many members again as it keeps; when they are taken, those with the least are left out.
    """

    def __init__(self, half_life_ms: float = NEVER, keep: int = 200) -> None:
        """Begin without rows; after so many ms a count is worth half, and so many members of a row are kept."""
        self._half_life_ms, self._keep, self._places = half_life_ms, keep, keep + keep // 2
        # Row 0 stays empty: it stands for keys that are not there.
        self._members = np.zeros((1, self._places), np.int32)
        self._counts = np.zeros((1, self._places), np.float32)
        self._totals = np.zeros(1, np.float32)
        self._used = [0]
        self._place_of: list[dict[int, int]] = [{}]
        self._size = 1
        self._origin_ms: int | None = None
        self._newest_ms = 0

    @property
    def size(self) -> int:
        """One more than the highest member or key."""
        return self._size

    def count(self, key: int, weight: float, at_ms: int) -> None:
        """Add to the total of a key."""
        growth = self._growth(at_ms)
        self._make_room(key)
        self._totals[key] += weight * growth

    def add(self, key: int, members: Ints, weights: Floats, at_ms: int) -> None:
        """Add to some members of one row, none of them twice."""
        growth = self._growth(at_ms)
        self._make_room(key, int(members.max(initial=0)))
        for first in range(0, len(members), max(self._places - self._keep, 1)):
            part = slice(first, first + max(self._places - self._keep, 1))
            self._add(key, members[part].tolist(), weights[part] * growth)

    def add_to_each(self, keys: Ints, member: int, weights: Floats, at_ms: int) -> None:
        """Add to one member of some rows, none of them twice."""
        growth = self._growth(at_ms)
        self._make_room(int(keys.max(initial=0)), member)
        wanted, place_of = keys.tolist(), self._place_of
        # Mostly all are there: asking the dictionaries first spares a call for each.
        places = [place_of[key].get(member) for key in wanted]
        if None in places:
            places = [
                self._place(key, member) if place is None else place for key, place in zip(wanted, places, strict=True)
            ]
        self._counts[keys, places] += weights * growth

    def of(self, keys: Ints) -> tuple[Ints, Floats]:
        """Return the rows of some keys as of the newest event: members int64 [n, K] and counts float32 [n, K]."""
        there = keys < len(self._used)
        known = np.where(there, keys, 0)
        width = max([0, *(self._used[key] for key in known.tolist())])
        members, counts = self._members[:, :width][known], self._counts[:, :width][known]
        return members.astype(np.int64), counts * np.float32(1.0 / self._growth(self._newest_ms))

    def totals(self, keys: Ints) -> Floats:
        """Return the totals of some keys as of the newest event, float32 [n]."""
        known = np.where(keys < len(self._totals), keys, 0)
        return np.asarray(self._totals[known] * np.float32(1.0 / self._growth(self._newest_ms)))

    def _add(self, key: int, members: list[int], weights: Floats) -> None:
        place_of = self._place_of[key]
        places = [place_of.get(member, -1) for member in members]
        if -1 in places:
            if self._used[key] + places.count(-1) > self._places:
                self._prune(key)
            place_of = self._place_of[key]
            places = [place_of[member] if member in place_of else self._place(key, member) for member in members]
        self._counts[key, places] += weights

    def _place(self, key: int, member: int) -> int:
        """Give a member that is new to a row a place in it."""
        if self._used[key] == self._places:
            self._prune(key)
        place = self._used[key]
        self._used[key] += 1
        self._place_of[key][member] = place
        self._members[key, place] = member
        return place

    def _prune(self, key: int) -> None:
        kept = best(self._counts[key], self._keep)
        members, counts = self._members[key, kept], self._counts[key, kept]
        self._members[key], self._counts[key] = 0, 0.0
        self._members[key, : len(kept)], self._counts[key, : len(kept)] = members, counts
        self._used[key] = len(kept)
        self._place_of[key] = {member: place for place, member in enumerate(members.tolist())}

    def _make_room(self, highest: int, member: int = 0) -> None:
        self._size = max(self._size, highest + 1, member + 1)
        if highest < len(self._used):
            return
        more = max(highest + 1 + highest // 2, 64) - len(self._used)
        self._members = np.concatenate((self._members, np.zeros((more, self._places), np.int32)))
        self._counts = np.concatenate((self._counts, np.zeros((more, self._places), np.float32)))
        self._totals = np.concatenate((self._totals, np.zeros(more, np.float32)))
        self._used += [0] * more
        self._place_of += [{} for _ in range(more)]

    def _growth(self, at_ms: int) -> float:
        """Return how much more than at the origin a count must be, to be worth as much at an instant."""
        if self._origin_ms is None:
            self._origin_ms = at_ms
        self._newest_ms = max(self._newest_ms, at_ms)
        ahead = (self._newest_ms - self._origin_ms) / self._half_life_ms
        if ahead > HEADROOM:
            shrink = np.float32(2.0 ** -min(ahead, 149.0))
            self._counts *= shrink
            self._totals *= shrink
            self._origin_ms = self._newest_ms
        return float(2.0 ** ((at_ms - self._origin_ms) / self._half_life_ms))


@dataclass(frozen=True)
class Reading:
    """How the rows of a user's latest items make scores.

    The score of j is the sum over his latest items i of d_i^-fade c_ij / ((n_i + prior)^a (n_j + prior)^b), where d_i tells
    how far back i is, c_ij is the count of j in the row of i, and n are totals. With a = b = 0.5 it is a cosine, with a = 1
    and b = 0 a conditional probability.

    Attributes:
        last: so many latest items are looked at.
        beyond: is added to the distance: the larger, the less the last item stands out.
        fade: power of the distance.
        own: power of the item's own total, `a`.
        theirs: power of the total of the item proposed, `b`.
        prior: events that every item is credited with, so that what was seen once is not strong.
    """

    last: int
    beyond: float = 0.0
    fade: float = 1.0
    own: float = 1.0
    theirs: float = 0.0
    prior: float = 0.0

    def weights(self, distances: Floats) -> Floats:
        """Return what an item counts for, by how far back it is: float32 [n]."""
        return np.asarray((distances + self.beyond) ** -self.fade, np.float32)


def distances(times: Ints, n: int) -> Floats:
    """Return how far back each of the n latest items is, 1 for the last: float32 [n].

    Items of one instant came in no order, so each has the mean of their places.

    Args:
        times: int64 [n], newest first; empty where they are not known.
        n: items.

    >>> distances(np.array([9, 7, 7, 3]), 4)
    array([1. , 2.5, 2.5, 4. ], dtype=float32)
    """
    if not len(times):
        return np.arange(1, n + 1, dtype=np.float32)
    edges = np.flatnonzero(np.diff(times[:n])) + 1
    if len(edges) == n - 1:
        return np.arange(1, n + 1, dtype=np.float32)
    bounds = np.concatenate(([0], edges, [n]))
    return np.repeat((bounds[:-1] + bounds[1:] + 1) / 2, np.diff(bounds)).astype(np.float32)


def found_in_rows(rows: Rows, items: Ints, weights: Floats, reading: Reading, k: int, kind: str, text: str) -> Found:
    """Return the best k members of the rows of a user's latest items; see `Reading` for the score.

    Args:
        rows: whose counts make the scores.
        items: int64 [n].
        weights: float32 [n], what each counts for.
        reading: the powers.
        k: items wanted.
        kind: of the evidence.
        text: of the evidence.
    """
    members, counts = rows.of(items)
    if not members.any():
        return nothing_found()
    shares = weights * (rows.totals(items) + np.float32(reading.prior)) ** np.float32(-reading.own)
    shares[~np.isfinite(shares)] = 0.0
    parts = counts * shares[:, None]
    scores = np.bincount(members.ravel(), parts.ravel(), minlength=rows.size)
    scores[0] = 0.0
    there = np.flatnonzero(scores)
    values = scores[there]
    if reading.theirs:
        values = values / (rows.totals(there) + np.float32(reading.prior)) ** reading.theirs
    top = best(values, k)

    def because(listed: Sequence[int]) -> list[Evidence]:
        strengths = values[there.searchsorted(np.array(listed))].tolist()
        origins = behind(members, parts, items, listed)
        return [Evidence(kind, mine, text, strength) for mine, strength in zip(origins, strengths, strict=True)]

    return Found(there[top], values[top].astype(np.float32), because)


def behind(members: Ints, parts: Floats, items: Ints, listed: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the items whose rows have most of each item that is listed, the strongest first, at most `BEHIND`.

    Args:
        members: int64 [n, K], the rows of the items.
        parts: float32 [n, K], what each member has of its row.
        items: int64 [n].
        listed: items that are members of at least one row.

    >>> behind(np.array([[7, 8], [8, 9]]), np.array([[0.5, 0.1], [0.2, 0.3]]), np.array([1, 2]), [8, 7])
    [(2, 1), (1,)]
    """
    column = np.zeros(int(members.max()) + 1, np.int64)
    column[listed] = np.arange(1, len(listed) + 1)
    width = len(listed) + 1  # column 0 takes the members that are not listed
    cells = column[members] + np.arange(len(items))[:, None] * width
    table = np.bincount(cells.ravel(), parts.ravel(), minlength=len(items) * width).reshape(len(items), width)[:, 1:]
    strongest = np.argsort(-table, axis=0, kind="stable")[:BEHIND]
    names = np.where(np.take_along_axis(table, strongest, axis=0) > 0, items[strongest], 0).T.tolist()
    return [tuple(dict.fromkeys(name for name in mine if name)) for mine in names]


class FromLatest:
    """Proposes the members of the rows of the user's latest items, of which near ones count most."""

    def __init__(self, rows: Rows, reading: Reading, name: str, text: str) -> None:
        """Take the rows, how they are read, the source's name, and the clause of its evidence."""
        self._rows, self._reading, self.name, self._text = rows, reading, name, text

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items; nothing for a user of whom nothing is known."""
        if user.is_new:
            return nothing_found()
        items = user.items[: self._reading.last]
        weights = self._reading.weights(distances(user.times, len(items)))
        return found_in_rows(self._rows, items, weights, self._reading, k, "items", self._text)


def first_of_each(items: Ints) -> NDArray[np.intp]:
    """Return where each item stands first, in that order.

    >>> first_of_each(np.array([5, 3, 5, 2]))
    array([0, 1, 3])
    """
    listed = items.tolist()
    if len(set(listed)) == len(listed):
        return np.arange(len(listed))
    return np.sort(np.unique(items, return_index=True)[1])
