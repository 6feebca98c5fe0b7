"""At least so many of one source, category or brand in a list, or among neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freshet.models.reranking.pool import Bools


@dataclass(frozen=True, eq=False)
class Minimum:
    """One rule: at least `least` of the members among any `places` neighbours; `places` is at most the list's length."""

    name: str
    members: Bools
    least: int
    places: int


def missing(line: Sequence[bool | None], place: int, least: int, places: int) -> list[tuple[int, int]]:
    """Return (end, members) pairs: up to the place `end`, so many of the open places must take members, or some are missing.

    Args:
        line: for each place whether its item is a member; None where it is open.
        place: the first open place.
        least: members among any `places` neighbours.
        places: how many neighbours are looked at.

    >>> missing([False, None, None, None], 1, least=1, places=3)
    [(2, 1), (3, 1)]
    """
    ends = range(max(place, places - 1), min(place + places, len(line)))
    needs = ((end, least - line[end - places + 1 : end + 1].count(True)) for end in ends)
    return [(end, need) for end, need in needs if need > 0]


class Minimums:
    """Holds all minimums over one list: a place is kept for members as soon as the places up to some later one run short."""

    def __init__(self, minimums: Sequence[Minimum], *, free: Bools, pinned: Sequence[int | None]) -> None:
        """Take the rules, which candidates may be taken, bool [n], and the pinned candidate of each place."""
        self._minimums = minimums
        self._is_member = [one.members.tolist() for one in minimums]
        self._lines = [[None if at is None else member[at] for at in pinned] for member in self._is_member]
        self._left = [int(np.count_nonzero(one.members & free)) for one in minimums]
        self._pinned = [at is not None for at in pinned]
        self._pressing: list[int] = []
        # Above this place all that is asked for fits in below, even if none of it has come.
        self._first = min(one.places for one in minimums) - sum(one.least for one in minimums) - sum(self._pinned)

    @property
    def name(self) -> str:
        """Names of the rules that press now."""
        return ", ".join(self._minimums[one].name for one in self._pressing)

    def at(self, place: int) -> None:
        """Take it that a place is to be filled."""
        self._pressing = []
        if place < self._first:
            return
        needs = [
            missing(line, place, rule.least, rule.places) if left else []
            for rule, line, left in zip(self._minimums, self._lines, self._left, strict=True)
        ]
        ends = sorted({end for need in needs for end, _ in need})
        for end in ends:
            most = [max((count for by, count in need if by <= end), default=0) for need in needs]
            must = [min(count, left) for count, left in zip(most, self._left, strict=True)]
            if sum(must) >= self._open(place, end):
                self._pressing = [number for number, count in enumerate(must) if count]
                return

    def _open(self, place: int, end: int) -> int:
        return end + 1 - place - self._pinned[place : end + 1].count(True)

    def breaks(self, position: int) -> bool:
        """Tell whether a candidate would break a rule on this place."""
        return bool(self._pressing) and not any(self._is_member[one][position] for one in self._pressing)

    def broken(self) -> Bools | None:
        """Tell which candidates would, bool [n]; None where none would."""
        if not self._pressing:
            return None
        members: Bools = np.any([self._minimums[one].members for one in self._pressing], axis=0)
        return ~members

    def take(self, place: int, position: int) -> None:
        """Take it that a candidate has a place."""
        for number, member in enumerate(self._is_member):
            self._lines[number][place] = member[position]
            self._left[number] -= member[position]
