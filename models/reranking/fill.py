"""Fills lists as `placing.filled` does, compiled and a batch at once, for the rules that most lists have.

These are windows, new-item slots and who is withheld. Which of them a candidate breaks on a place is a number whose bits
stand for rules, the softest being the lowest: of two candidates the one with the lower number comes, and of equal ones the
one with the higher gain.
"""

from typing import NamedTuple

import numpy as np

from freshet.models.compiled import BOOL, INT, REAL, REAL32, array, compiled, written
from freshet.models.reranking.dpp import take
from freshet.models.reranking.pool import Bools, Floats
from freshet.models.reranking.windows import never_scarce
from freshet.models.user_state import Ints, Reals

NOBODY = -1
"""Stands behind the last place of a list."""


class PlainRules(NamedTuple):
    """Rules for lists of m places of B users with k candidates each.

    Attributes:
        always: int64 [B, k], bits of those that bar a candidate from every place.
        codes: int64 [w, B, k], what each window counts; 0 for what it does not count.
        windows: int64 [w, 3], how many of a code, among how many neighbours, and the bit's number.
        slots: bool [m], places that are kept for newcomers.
        newcomers: bool [B, k], whom they are kept for.
        slot: the bit's number of the slots.
    """

    always: Ints
    codes: Ints
    windows: Ints
    slots: Bools
    newcomers: Bools
    slot: int


class Filled(NamedTuple):
    """Lists.

    Attributes:
        positions: int64 [B, m], the candidate of each place; `NOBODY` behind the last.
        lifted: int64 [B, m], bits of the rules that bar one with a higher gain.
        is_plain: bool [B]; where it is not so, a window may run into a dead end, and `placing.filled` has to fill the list.
    """

    positions: Ints
    lifted: Ints
    is_plain: Bools


@compiled((INT, array(INT), array(INT, 2), array(INT, 2), array(INT, 2), BOOL, array(BOOL), INT))
def broken(
    position: int, always: Ints, codes: Ints, windows: Ints, met: Ints, kept: bool, newcomers: Bools, slot: int
) -> int:
    """Return the bits of the rules that a candidate breaks on a place; `met` counts the codes of the neighbours above."""
    bits = int(always[position])
    for window in range(len(windows)):
        code = codes[window, position]
        if code and met[window, code] >= windows[window, 0]:
            bits |= 1 << int(windows[window, 2])
    if kept and not newcomers[position]:
        bits |= 1 << slot
    return bits


@compiled(
    (
        INT,
        written(REAL32),
        array(REAL32),
        written(REAL32, 2),
        INT,
        array(INT),
        array(INT, 2),
        array(INT, 2),
        array(BOOL),
        array(BOOL),
        INT,
    )
)
def fill(
    size: int,
    gains: Floats,
    alone: Floats,
    factor: Floats,
    width: int,
    always: Ints,
    codes: Ints,
    windows: Ints,
    slots: Bools,
    newcomers: Bools,
    slot: int,
) -> tuple[Ints, Ints]:
    """Return the candidate of each place of one list, and the bits of the rules that lifted it over a better one.

    `gains`, `alone` and `factor` are those of `Dpp`, and used up; a factor without rows stands for the order of the gains.
    """
    found, lifted, scales = np.zeros(size, np.int64), np.zeros(size, np.int64), np.ones(len(factor), np.float32)
    met = np.zeros((len(codes), codes.max() + 1 if codes.size else 1), np.int64)
    left = np.count_nonzero(newcomers)
    for place in range(size):
        kept = slots[place] and left > 0
        position = best = int(gains.argmax())
        lifting = breaking = broken(best, always, codes, windows, met, kept, newcomers, slot)
        if lifting:
            for at in range(len(gains)):
                if gains[at] > -np.inf:
                    bits = broken(at, always, codes, windows, met, kept, newcomers, slot)
                    if bits < breaking or (bits == breaking and gains[at] > gains[position]):
                        position, breaking = at, bits
        found[place] = position
        lifted[place] = lifting if position != best else 0
        left -= newcomers[position]
        for window in range(len(windows)):
            gone = place - windows[window, 1] + 1
            met[window, codes[window, position]] += 1
            if gone >= 0:
                met[window, codes[window, found[gone]]] -= 1
        if len(factor):
            take(gains, alone, factor, scales, width, place, position)
        else:
            gains[position] = -np.inf
    return found, lifted


@compiled(
    (
        array(REAL32, 2),
        array(REAL32, 2),
        array(REAL32, 2),
        array(INT, 2),
        REAL,
        array(INT, 2),
        array(INT, 3),
        array(INT, 2),
        array(BOOL),
        array(BOOL, 2),
        INT,
    )
)
def fill_each(
    gains: Floats,
    lengths: Floats,
    table: Floats,
    rows: Ints,
    own: float,
    always: Ints,
    codes: Ints,
    windows: Ints,
    slots: Bools,
    newcomers: Bools,
    slot: int,
) -> tuple[Ints, Ints, Bools]:
    """Return `Filled`.

    Args:
        gains: float32 [B, k], -inf for who may not be taken.
        lengths: float32 [B, k], of the vectors of a determinantal point process; where the order is that of the gains
            alone, `table` has no columns.
        table: float32 [V, d], vectors of length 1.
        rows: int64 [B, k], the row of each candidate in it.
        own: part of an item that is like no other, see `dpp.OWN`.
        always: of `PlainRules`, as all that follow.
        codes: as above.
        windows: as above.
        slots: as above.
        newcomers: as above.
        slot: as above.
    """
    users, size, width = len(gains), len(slots), table.shape[1]
    positions, lifted = np.full((users, size), NOBODY), np.zeros((users, size), np.int64)
    is_plain = np.ones(users, np.bool_)
    for user in range(users):
        free = np.flatnonzero(gains[user] > -np.inf)
        places = min(size, len(free))
        counted = np.empty((len(codes), len(free)), np.int64)
        for window in range(len(windows)):
            counted[window] = codes[window, user][free]
            if not never_scarce(np.bincount(counted[window]), windows[window, 0], windows[window, 1], places):
                is_plain[user] = False
        if not is_plain[user] or not places:
            continue
        length = lengths[user][free]
        factor = np.empty((width + places if width else 0, len(free)), np.float32)
        for at in range(len(free)):
            vector = table[rows[user, free[at]]]
            for column in range(width):
                factor[column, at] = vector[column] * length[at]
        alone = length * length * np.float32(1 + own)
        gain = alone.copy() if width else gains[user][free]
        found, by = fill(
            places, gain, alone, factor, width, always[user][free], counted, windows, slots, newcomers[user][free], slot
        )
        positions[user, :places], lifted[user, :places] = free[found], by
    return positions, lifted, is_plain


@compiled((array(REAL, 2), array(BOOL, 2), array(INT, 2)))
def ranks_each(merits: Reals, left: Bools, positions: Ints) -> Ints:
    """Return the ranks of the candidates of lists, int64 [B, m], as `moves.ranks` has them: float64 and bool [B, k]."""
    ranks = np.zeros(positions.shape, np.int64)
    for user in range(len(positions)):
        for place in range(positions.shape[1]):
            if positions[user, place] != NOBODY:
                mine, rank = merits[user, positions[user, place]], 1
                for at in range(merits.shape[1]):
                    rank += left[user, at] and merits[user, at] > mine
                ranks[user, place] = rank
    return ranks


@compiled((array(INT, 2), array(INT, 2), INT))
def why_each(ranks: Ints, lifted: Ints, diversity: int) -> Ints:
    """Return the bits of what moved each item from its rank by merit to its place, as `moves.chosen` has it: int64 [B, m].

    Args:
        ranks: int64 [B, m], 0 behind the last place.
        lifted: int64 [B, m], of `Filled`.
        diversity: the bit that stands for it.
    """
    why = np.zeros(ranks.shape, np.int64)
    for user in range(len(ranks)):
        own = lifted[user].copy()
        for place in range(ranks.shape[1]):
            rank, better, others = ranks[user, place], 0, 0
            for above in range(place):
                better += ranks[user, above] < rank
                if ranks[user, above] > rank:
                    others |= own[above]
            if not own[place] and rank - 1 > better:
                own[place] = diversity
            if rank and rank != place + 1:
                why[user, place] = own[place] or others
    return why
