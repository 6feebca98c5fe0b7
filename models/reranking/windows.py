"""At most so many of one category, brand or source among neighbours, wherever the candidates allow it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from freshet.models.compiled import INT, array, compiled
from freshet.models.reranking.pool import Bools
from freshet.models.user_state import Ints


def barred(line: Sequence[int], place: int, most: int, places: int) -> set[int]:
    """Return the codes that may not come to a place, for there would be more than `most` of them among `places` neighbours.

    Args:
        line: the code on each place; 0 where it is open or unknown. Places behind this one may hold pinned items.
        place: the open place.
        most: how many of a code may be among neighbours.
        places: how many neighbours are looked at.

    >>> barred([3, 4, 4, 0, 0], 3, most=2, places=4)
    {4}
    """
    above, below = line[max(0, place - places + 1) : place], line[place + 1 : place + places]
    if not any(below):
        return {code for code in above if code and above.count(code) >= most}
    spans = [line[start : start + places] for start in range(max(0, place - places + 1), place + 1)]
    return {code for span in spans for code in span if code and span.count(code) >= most}


def room(above: Sequence[int], code: int, most: int, places: int, left: int) -> Ints:
    """Return how many of a code fit on the next 0, 1 ... `left` places without a break of the window: int64 [left + 1].

    >>> room([4, 7], 7, most=1, places=3, left=4)
    array([0, 0, 0, 1, 1])
    """
    taken = [at - len(above) for at, other in enumerate(above) if other == code]
    met, place = len(taken), 0
    while (place := max(place, taken[-most] + places) if len(taken) >= most else place) < left:
        taken.append(place)
        place += 1
    return np.searchsorted(taken[met:], np.arange(left + 1)).astype(np.int64)


def dead_ends(above: Sequence[int], counts: Mapping[int, int], most: int, places: int, left: int) -> set[int]:
    """Return the codes that may not come next, for whatever followed, a later place could only be filled by a break.

    A list can go on if for each t its next t places can take t candidates, so many of each code as there are and as fit:
    the sum over codes is enough, for the order in which they take turns can always be found.

    Args:
        above: the codes on the places above, the last one nearest.
        counts: candidates left, by code, each above 0; any number of those of code 0 may stand together.
        most: how many of a code may be among neighbours.
        places: how many neighbours are looked at.
        left: places to fill, this one included.
    """
    near = above[max(0, len(above) - places + 1) :]
    codes, rest, spare = list(counts), left - 1, np.arange(left)
    unmet, first = room((), 1, most, places, rest), room((1,), 1, most, places, rest)
    have = np.array([counts[code] for code in codes])[:, None]
    passed, taken = np.empty((2, len(codes), left), np.int64)  # what follows if another code comes next, or this one
    passed[:], taken[:] = unmet, first
    for row, code in enumerate(codes):
        if not code:
            passed[row] = taken[row] = left
        elif code in near:
            passed[row] = room((*near, 0), code, most, places, rest)
            taken[row] = room((*near, code), code, most, places, rest)
    passed, taken = np.minimum(have, passed), np.minimum(have - 1, taken)
    stays_full = (passed.sum(0) - passed + taken >= spare).all(1)
    return {code for code, full in zip(codes, stays_full.tolist(), strict=True) if not full}


@compiled((array(INT), INT, INT, INT))
def never_scarce(counts: Ints, most: int, places: int, length: int) -> bool:
    """Tell whether a list cannot run into a dead end, whatever it takes: int64 [codes], candidates by code, code 0 first.

    Either the first `most` of each code, which never break the rule, are as many as the list is long; or so many codes
    have enough candidates for the whole list that they cannot all be barred at once.
    """
    if counts[:1].sum() + np.minimum(counts[1:], most).sum() >= length:
        return True
    fits = most * (length // places) + min(most, length % places)  # of one code on the whole list
    return np.count_nonzero(counts[1:] >= fits) * most >= places


class Window:
    """Holds one window rule over one list.

    Where candidates of many codes abound, it looks at the neighbours alone. Where they are scarce it also bars what would
    leave a later place to a code that may not stand there: taking the rarest first may be the only way to fill a list.
    """

    def __init__(self, name: str, codes: Ints, most: int, places: int, *, free: Bools, line: Sequence[int]) -> None:
        """Take a rule and a list to fill.

        Args:
            name: of the rule.
            codes: int64 [n], of the candidates; 0 where the rule does not count them.
            most: how many of a code may be among neighbours.
            places: how many neighbours are looked at.
            free: bool [n], whether a candidate may be taken.
            line: the codes of pinned items on their places, 0 on the open ones.
        """
        self.name = name
        self.codes, self.most, self.places = codes, most, places
        self._line = list(line)
        self._counts: dict[int, int] = {}
        self._full: set[int] = set()  # what `barred` returns where no pinned item is near below
        self._barred = self._full
        self._last_pin = max((place for place, code in enumerate(line) if code), default=-1)
        self._left = self._scarce(codes[free]) if self._last_pin < 0 else None

    @property
    def is_plain(self) -> bool:
        """Whether the neighbours above are all that decides."""
        return self._last_pin < 0 and self._left is None

    @cached_property
    def _code_of(self) -> list[int]:
        code_of: list[int] = self.codes.tolist()
        return code_of

    def _scarce(self, codes: Ints) -> Counter[int] | None:
        length = len(self._line)
        if never_scarce(np.bincount(codes, minlength=1), self.most, self.places, length):
            return None
        left = Counter(codes.tolist())
        cannot_start = dead_ends((), left, self.most, self.places, length)
        return None if len(cannot_start) == len(left) else left  # where the rule cannot hold anyway, it just bars

    def at(self, place: int) -> None:
        """Take it that a place is to be filled."""
        line, most, places = self._line, self.most, self.places
        if self._left:
            self._barred = self._full | dead_ends(line[:place], self._left, most, places, len(line) - place)
        else:
            self._barred = self._full if place > self._last_pin else barred(line, place, most, places)

    def breaks(self, position: int) -> bool:
        """Tell whether a candidate would break the rule on this place."""
        return self._code_of[position] in self._barred

    def broken(self) -> Bools | None:
        """Tell which candidates would, bool [n]; None where none would."""
        if not self._barred:
            return None
        out = np.zeros(len(self.codes), np.bool_)
        for code in self._barred:
            out |= self.codes == code
        return out

    def take(self, place: int, position: int) -> None:
        """Take it that a candidate has a place."""
        code = self._code_of[position]
        self._line[place] = code
        self._slide(place, code)
        if self._left is not None:
            self._left[code] -= 1
            if not self._left[code]:
                del self._left[code]

    def _slide(self, place: int, code: int) -> None:
        counts = self._counts
        if code:
            counts[code] = counts.get(code, 0) + 1
            if counts[code] >= self.most:
                self._full.add(code)
        gone = self._line[place - self.places + 1] if place >= self.places - 1 else 0
        if gone:
            counts[gone] -= 1
            if counts[gone] < self.most:
                self._full.discard(gone)
