"""What moved each item of a list, and from where to where."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models.reranking.placing import Placed
from freshet.models.reranking.pool import Bools
from freshet.models.user_state import Ints

DIVERSITY = "diversity"


class Stage(NamedTuple):
    """The candidates' scores behind one rule, float64 [n]; the first stage is the model's."""

    name: str
    merits: NDArray[np.float64]


class Move(NamedTuple):
    """A rule took an item from one rank to another; ranks count from 1, among what the filters leave."""

    rule: str
    before: int
    after: int


def ranks(merits: NDArray[np.float64], left: Bools, positions: Ints) -> list[int]:
    """Return the ranks of some candidates by falling merit among those that are left; equals share the better one.

    >>> ranks(np.array([0.5, 0.9, 0.5]), np.array([True, True, True]), np.array([0, 1]))
    [2, 1]
    """
    falling = np.sort(np.where(left, -merits, np.inf))
    found: list[int] = (falling.searchsorted(-merits[positions]) + 1).tolist()
    return found


def moves(stages: Sequence[Stage], left: Bools, placed: Placed) -> list[tuple[Move, ...]]:
    """Return for each place what moved its item: first the rules that changed its score, then those that chose its place."""
    positions = np.array(placed.positions, np.int64)
    scored: list[list[Move]] = [[] for _ in placed.positions]
    all_ranks = [ranks(stage.merits, left, positions) for stage in stages]
    for (before, after), (was, now) in zip(pairwise(stages), pairwise(all_ranks), strict=True):
        touched = np.flatnonzero(after.merits[positions] != before.merits[positions])
        for place in touched.tolist():
            if was[place] != now[place]:
                scored[place].append(Move(after.name, was[place], now[place]))
    choices = chosen(all_ranks[-1], placed.lifted)
    return [(*first, *second) for first, second in zip(scored, choices, strict=True)]


def chosen(merit_ranks: Sequence[int], lifted: Sequence[tuple[str, ...]]) -> list[tuple[Move, ...]]:
    """Return the moves from the rank by merit to the place: by what lifted an item, or by what lifted others over it.

    An item that no rule lifted, and that still left a better one behind, was chosen for being unlike those above.

    >>> chosen([1, 4, 2], [(), ("pin",), ()])
    [(), (Move(rule='pin', before=4, after=2),), (Move(rule='pin', before=2, after=3),)]
    """
    order = np.array(merit_ranks)
    above = np.tri(len(order), k=-1, dtype=np.bool_)
    better_above = np.count_nonzero(above & (order < order[:, None]), axis=1).tolist()
    worse_above: list[list[int]] = [[] for _ in merit_ranks]
    for place, other in np.argwhere(above & (order > order[:, None])).tolist():
        worse_above[place].append(other)
    by: list[tuple[str, ...]] = []
    out: list[tuple[Move, ...]] = []
    for place, (rank, rules) in enumerate(zip(merit_ranks, lifted, strict=True)):
        own = rules or ((DIVERSITY,) if rank - 1 > better_above[place] else ())
        by.append(own)
        if rank == place + 1:
            out.append(())
            continue
        if not own:
            own = tuple(dict.fromkeys([rule for other in worse_above[place] for rule in by[other]]))
        out.append(tuple([Move(rule, rank, place + 1) for rule in own]))
    return out
