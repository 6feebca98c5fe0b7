"""Makes the rules for the places of one list out of a placement's rules and a pool."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from freshet.models.reranking.caps import withheld
from freshet.models.reranking.config import Rules
from freshet.models.reranking.config import Window as WindowRule
from freshet.models.reranking.placing import PlaceRule, Withheld
from freshet.models.reranking.pool import Bools, Names, Pool
from freshet.models.reranking.quotas import Minimum, Minimums
from freshet.models.reranking.slots import Slots, new_items
from freshet.models.reranking.windows import Window
from freshet.models.user_state import Ints


@dataclass(frozen=True, eq=False)
class Spots:
    """A list to fill.

    Attributes:
        pool: the candidates.
        names: what names stand for.
        free: bool [n], whom the filters left and no pin holds.
        pinned: the pinned candidate of each place, None on an open one.
    """

    pool: Pool
    names: Names
    free: Bools
    pinned: Sequence[int | None]

    @property
    def size(self) -> int:
        """Places of the list."""
        return len(self.pinned)

    def window(self, name: str, codes: Ints, most: int, places: int) -> Window:
        """Return a rule over neighbours."""
        line = [0 if at is None else int(codes[at]) for at in self.pinned]
        return Window(name, codes, most, places, free=self.free, line=line)


def place_rules(rules: Rules, spots: Spots, beyond: Bools | None) -> Iterator[PlaceRule]:
    """Yield the rules that hold, the softest first, which is the published order in which they give way.

    `best_of`, new-item slots, windows from the last one named, exposure, quotas at most, quotas at least.

    Args:
        rules: of the placement.
        spots: the list to fill.
        beyond: bool [n], who is not among the best; None where all are.
    """
    if beyond is not None:
        yield Withheld("best_of", beyond)
    if (members := new_items(spots.pool, rules.new_items)) is not None:
        yield Slots(rules.new_items.places, members, spots.free)
    for window in reversed(rules.windows):
        yield from _window(window, spots)
    if (gone := withheld(spots.pool, rules.exposure)) is not None:
        yield Withheld("exposure", gone)
    yield from _maximums(rules, spots)
    if minimums := list(_minimums(rules, spots)):
        yield Minimums(minimums, free=spots.free, pinned=spots.pinned)


def _window(rule: WindowRule, spots: Spots) -> Iterator[PlaceRule]:
    if (codes := spots.pool.codes(rule.by)) is not None:
        yield spots.window(f"{rule.by} window", codes, rule.most, rule.places)


def _maximums(rules: Rules, spots: Spots) -> Iterator[PlaceRule]:
    for quota in rules.quotas:
        most, members = quota.most(spots.size), _members(spots, quota.by, quota.name)
        if most is None or members is None:
            continue
        name = f"{quota.by} {quota.name} at most"
        if most == 0:
            yield Withheld(name, members)
        elif most < (places := min(quota.places or spots.size, spots.size)):
            yield spots.window(name, members.astype(np.int64), most, places)


def _minimums(rules: Rules, spots: Spots) -> Iterator[Minimum]:
    for quota in rules.quotas:
        least, members = quota.least(spots.size), _members(spots, quota.by, quota.name)
        if least and members is not None:
            places = min(quota.places or spots.size, spots.size)
            yield Minimum(f"{quota.by} {quota.name} at least", members, min(least, places), places)


def _members(spots: Spots, kind: str, name: str) -> Bools | None:
    codes, code = spots.pool.codes(kind), spots.names.of(kind).get(name)
    return None if codes is None or code is None else codes == code
