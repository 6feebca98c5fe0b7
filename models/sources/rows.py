"""Rows of decayed counts: for each key its members, and how much speaks for each; the arithmetic of most sources.

A count of w at an instant is worth w 2^(-age / half-life) later. Sums of such counts are the same in whatever order the
events come. `LearntRows` keeps them in process; the trends job keeps the same for all workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from freshet.models.best import best, named_best, sort_best
from freshet.models.compiled import BOOL, INT, INT32, REAL, REAL32, array, compiled, written
from freshet.models.sources.source import Evidence, Finds, Floats, Found, Reasons, nothing_found, scores_of
from freshet.models.user_state import LATEST, Ints, Reals, Users, UserState

BEHIND = 3
"""Items that the evidence names at most."""

NEVER = float("inf")
"""Half-life of counts that do not decay."""

HEADROOM = 60.0
"""Half-lives that a 32-bit number grows by before all of them are brought down."""


Members = NDArray[np.int32]
Bools = NDArray[np.bool_]


class Rows(Protocol):
    """What a source reads. Counts and totals are as of one instant, which is the same for all of them."""

    @property
    def size(self) -> int:
        """One more than the highest member."""

    def of(self, keys: Ints) -> tuple[Members, Floats]:
        """Return the rows of some keys: members int32 [n, K] with 0 for nobody, and their counts float32 [n, K]."""

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

    def of(self, keys: Ints) -> tuple[Members, Floats]:
        """Return the rows of some keys as of the newest event: members int32 [n, K] and counts float32 [n, K]."""
        there = keys < len(self._used)
        known = np.where(there, keys, 0)
        width = max([0, *(self._used[key] for key in known.tolist())])
        members, counts = self._members[:, :width][known], self._counts[:, :width][known]
        return members, counts * np.float32(1.0 / self._growth(self._newest_ms))

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


class RowSums:
    """Adds up what the rows of a user's latest items say; see `Reading` for the score. For one thread.

    It keeps one array as long as the vocabulary, zero between calls, so that a call costs what its rows hold.
    """

    def __init__(self, rows: Rows, reading: Reading, kind: str, text: str) -> None:
        """Take the rows, how they are read, and the kind and text of the evidence."""
        self._rows, self._reading, self._kind, self._text = rows, reading, kind, text
        self._scratch = np.zeros(0)

    def found(self, items: Ints, weights: Floats, k: int) -> Found:
        """Return the best k members of the rows of some items.

        Args:
            items: int64 [n].
            weights: float32 [n], what each counts for.
            k: items wanted.
        """
        rows, reading, scratch = self._rows, self._reading, self._scratch_of(self._rows.size)
        members, counts = rows.of(items)
        shares = shares_of(weights, rows.totals(items), reading.own, reading.prior)
        there, values = summed(members, counts, shares, scratch)
        if not len(there):
            return nothing_found()
        if reading.theirs:
            values = values / (rows.totals(there) + np.float32(reading.prior)) ** reading.theirs
        found, scores = named_best(values, there, k)

        def because(listed: Sequence[int]) -> list[Evidence]:
            told, strengths = np.array(listed), dict(zip(found.tolist(), scores.tolist(), strict=True))
            names = behind(members, counts, shares, items, told, self._scratch).tolist()
            return [
                Evidence(self._kind, tuple([name for name in mine if name]), self._text, strengths[item])
                for item, mine in zip(listed, names, strict=True)
            ]

        return Found(found, scores.astype(np.float32), because)

    def finds(self, users: Users, last: int, k: int) -> Finds:
        """Return the best k members of the rows of the `last` latest items of each user of a batch."""
        rows, reading, scratch = self._rows, self._reading, self._scratch_of(self._rows.size)
        counts = np.minimum(users.counts, last)
        bounds = np.concatenate(([0], np.cumsum(counts)))
        keys = users.latest[:, :last][np.arange(min(last, LATEST)) < counts[:, None]]
        members, values = rows.of(keys)
        weights = weights_of(users.times, users.timed, bounds, reading.beyond, reading.fade)
        shares = shares_of(weights, rows.totals(keys), reading.own, reading.prior)
        there, sums, ends = summed_each(members, values, shares, bounds, scratch)
        if reading.theirs:
            sums = sums / (rows.totals(there) + np.float32(reading.prior)) ** reading.theirs
        items, scores = best_each(sums, there, ends, k)

        def because(those: Ints, listed: Ints) -> Reasons:
            names = behind_each(members, values, shares, keys, bounds, those, listed, self._scratch)
            return Reasons.alike(self._kind, self._text, names, scores_of(items, scores, those, listed))

        return Finds(items, scores, because)

    def _scratch_of(self, size: int) -> Reals:
        if size > len(self._scratch):
            self._scratch = np.zeros(2 * size)
        return self._scratch


@compiled((array(REAL32), array(REAL32), REAL, REAL))
def shares_of(weights: Floats, totals: Floats, own: float, prior: float) -> Floats:
    """Return weights / (totals + prior)^own, float32 [n]; 0 where that is no number, for a row that was never counted."""
    shares = np.empty(len(weights), np.float32)
    for at in range(len(weights)):
        share = weights[at] * (totals[at] + np.float32(prior)) ** np.float32(-own)
        shares[at] = share if np.isfinite(share) else np.float32(0.0)
    return shares


@compiled((array(INT32, 2), array(REAL32, 2), array(REAL32), written(REAL)))
def summed(members: Members, counts: Floats, shares: Floats, scratch: Reals) -> tuple[Ints, Reals]:
    """Return what each member has of some rows: the members, in the order in which they come, int64 [m], and their sums.

    Args:
        members: int32 [n, K], 0 for nobody.
        counts: float32 [n, K].
        shares: float32 [n], what the counts of each row are multiplied by.
        scratch: float64 of zeros, which it is again afterwards; a member beyond its end counts as nobody.

    >>> rows, ones = np.array([[7, 8], [8, 0]], np.int32), np.ones((2, 2), np.float32)
    >>> summed(rows, ones, np.array([1.0, 2.0], np.float32), np.zeros(9))
    (array([7, 8]), array([1., 3.]))
    """
    there, n = np.empty(members.size, np.int64), 0
    for row in range(len(members)):
        for place in range(members.shape[1]):
            member, part = members[row, place], counts[row, place] * shares[row]
            if 0 < member < len(scratch) and part > 0:
                if scratch[member] == 0:
                    there[n] = member
                    n += 1
                scratch[member] += part
    there = there[:n]
    sums = scratch[there]
    scratch[there] = 0.0
    return there, sums


@compiled((array(INT32, 2), array(REAL32, 2), array(REAL32), array(INT), array(INT), written(REAL)))
def behind(members: Members, counts: Floats, shares: Floats, items: Ints, listed: Ints, scratch: Reals) -> Ints:
    """Return the items whose rows have most of each item that is listed, int64 [m, `BEHIND`], the strongest first, then 0.

    Args:
        members: int32 [n, K], the rows of the items.
        counts: float32 [n, K].
        shares: float32 [n].
        items: int64 [n]; one that stands there twice is named once.
        listed: int64 [m].
        scratch: float64 of zeros, longer than the highest item that is listed; it is zero again afterwards.

    >>> rows, ones = np.array([[7, 8], [8, 9]], np.int32), np.ones((2, 2), np.float32)
    >>> behind(rows, ones, np.array([1.0, 2.0], np.float32), np.array([1, 2]), np.array([8, 7]), np.zeros(10))
    array([[2, 1, 0],
           [1, 0, 0]])
    """
    scratch[listed] = np.arange(1, len(listed) + 1)
    table = np.zeros((len(listed), len(items)))
    for row in range(len(members)):
        for place in range(members.shape[1]):
            member = members[row, place]
            if 0 < member < len(scratch) and scratch[member] > 0:
                table[int(scratch[member]) - 1, row] += counts[row, place] * shares[row]
    scratch[listed] = 0.0
    names = np.zeros((len(listed), BEHIND), np.int64)
    for at in range(len(listed)):
        for place in range(BEHIND):
            strongest = table[at].argmax()
            if table[at, strongest] <= 0:
                break
            names[at, place] = items[strongest]
            for row in range(len(items)):
                if items[row] == items[strongest]:
                    table[at, row] = 0.0
    return names


@compiled((array(INT, 2), array(BOOL), array(INT), REAL, REAL))
def weights_of(times: Ints, timed: Bools, bounds: Ints, beyond: float, fade: float) -> Floats:
    """Return what the items of each user count for, by how far back they are: `Reading.weights` of `distances`.

    Args:
        times: int64 [B, n], newest first.
        timed: bool [B], whether they are known.
        bounds: int64 [B + 1], where the items of each user begin in what is returned.
        beyond: of the reading.
        fade: of the reading.
    """
    weights = np.empty(bounds[-1], np.float32)
    for user in range(len(timed)):
        first = bounds[user]
        count = bounds[user + 1] - first
        place = 0
        while place < count:
            end = place + 1
            while timed[user] and end < count and times[user, end] == times[user, place]:
                end += 1
            distance = np.float32((place + end + 1) / 2) + np.float32(beyond)
            weights[first + place : first + end] = distance ** np.float32(-fade)
            place = end
    return weights


@compiled((array(INT32, 2), array(REAL32, 2), array(REAL32), array(INT), written(REAL)))
def summed_each(
    members: Members, counts: Floats, shares: Floats, bounds: Ints, scratch: Reals
) -> tuple[Ints, Reals, Ints]:
    """Return what `summed` does for each user's rows, one after the other, and where those of each begin, int64 [B + 1]."""
    there, sums = np.empty(members.size, np.int64), np.empty(members.size)
    ends, n = np.zeros(len(bounds), np.int64), 0
    for user in range(len(bounds) - 1):
        rows = slice(bounds[user], bounds[user + 1])
        found, values = summed(members[rows], counts[rows], shares[rows], scratch)
        there[n : n + len(found)], sums[n : n + len(found)] = found, values
        n += len(found)
        ends[user + 1] = n
    return there[:n], sums[:n], ends


@compiled((array(REAL), array(INT), array(INT), INT))
def best_each(scores: Reals, names: Ints, bounds: Ints, k: int) -> tuple[Ints, Floats]:
    """Return the best k of each user, int64 and float32 [B, k], best first, 0 behind the last; see `named_best`."""
    users = len(bounds) - 1
    items, found = np.zeros((users, k), np.int64), np.zeros((users, k), np.float32)
    values = np.empty(k)
    for user in range(users):
        part = slice(bounds[user], bounds[user + 1])
        n = sort_best(scores[part], names[part], values, items[user])
        found[user, :n] = values[:n]
    return items, found


@compiled(
    (array(INT32, 2), array(REAL32, 2), array(REAL32), array(INT), array(INT), array(INT), array(INT), written(REAL))
)
def behind_each(
    members: Members,
    counts: Floats,
    shares: Floats,
    items: Ints,
    bounds: Ints,
    users: Ints,
    listed: Ints,
    scratch: Reals,
) -> Ints:
    """Return what `behind` does for items that are listed for some users, int64 [m]; those of a user stand together."""
    names = np.zeros((len(users), BEHIND), np.int64)
    first = 0
    while first < len(users):
        end = first + 1
        while end < len(users) and users[end] == users[first]:
            end += 1
        rows = slice(bounds[users[first]], bounds[users[first] + 1])
        names[first:end] = behind(members[rows], counts[rows], shares[rows], items[rows], listed[first:end], scratch)
        first = end
    return names


class FromLatest:
    """Proposes the members of the rows of the user's latest items, of which near ones count most."""

    def __init__(self, rows: Rows, reading: Reading, name: str, text: str) -> None:
        """Take the rows, how they are read, the source's name, and the clause of its evidence."""
        self._sums, self._reading, self.name = RowSums(rows, reading, "items", text), reading, name

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items; nothing for a user of whom nothing is known."""
        if user.is_new:
            return nothing_found()
        items = user.items[: self._reading.last]
        weights = self._reading.weights(distances(user.times, len(items)))
        return self._sums.found(items, weights, k)

    def finds(self, users: Users, k: int) -> Finds:
        """See `BatchSource`."""
        return self._sums.finds(users, self._reading.last, k)


def first_of_each(items: Ints) -> NDArray[np.intp]:
    """Return where each item stands first, in that order.

    >>> first_of_each(np.array([5, 3, 5, 2]))
    array([0, 1, 3])
    """
    listed = items.tolist()
    if len(set(listed)) == len(listed):
        return np.arange(len(listed))
    return np.sort(np.unique(items, return_index=True)[1])
