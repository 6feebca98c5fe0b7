"""JSON put together from pieces: what comes again is encoded once, and compiled code joins rows of pieces and numbers.

A row is made of tokens. A token from 0 on is the number of a piece; one below 0 stands for a number that is written out:
-1 for the first of the row, -2 for the second.
"""

import numpy as np
from numpy.typing import NDArray

from freshet.models.compiled import BYTE, INT, REAL, array, compiled, written
from freshet.models.user_state import Ints, Reals

Bytes = NDArray[np.uint8]

NOTHING_AT_ALL = 0
"""The piece without a byte."""

PLAIN_BELOW = 1e10
"""Numbers that are at least as large are not written out: with five digits behind the point they are no longer exact."""

LONGEST = 24
"""Bytes that a number takes at most."""


class Pieces:
    """Pieces by number, their bytes one behind the other. They only become more. For one thread."""

    def __init__(self) -> None:
        self._code_of: dict[bytes, int] = {}
        self._bytes = np.zeros(1 << 16, np.uint8)
        self._bounds = np.zeros(1 << 10, np.int64)
        self.code(b"")

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._code_of)

    def code(self, piece: bytes) -> int:
        """Return the number of a piece, a new one if it has none yet."""
        code = self._code_of.get(piece)
        if code is None:
            code = self._code_of[piece] = len(self._code_of)
            self._keep(code, piece)
        return code

    def joined(self, tokens: Ints, numbers: Reals, digits: Ints) -> tuple[bytes, list[int]]:
        """Return the text of all rows, one behind the other, and where each ends.

        Args:
            tokens: int64 [m, t].
            numbers: float64 [m, n], of which those that tokens stand for are below `PLAIN_BELOW`.
            digits: int64 [n], how many digits stand behind the point of each column's numbers at most.
        """
        data, ends = joined(tokens, numbers, digits, self._bytes, self._bounds)
        return data.tobytes(), ends.tolist()

    def _keep(self, code: int, piece: bytes) -> None:
        first = int(self._bounds[code])
        end = first + len(piece)
        if end > len(self._bytes):
            self._bytes = np.concatenate((self._bytes, np.zeros(max(end, len(self._bytes)), np.uint8)))
        if code + 1 == len(self._bounds):
            self._bounds = np.concatenate((self._bounds, np.zeros(len(self._bounds), np.int64)))
        self._bytes[first:end] = np.frombuffer(piece, np.uint8)
        self._bounds[code + 1] = end


@compiled((written(BYTE), INT, REAL, INT))
def write_number(data: Bytes, at: int, value: float, digits: int) -> int:
    """Write a number at a place, rounded to so many digits, as JSON has it, and return the place behind it.

    >>> data = np.zeros(9, np.uint8)
    >>> bytes(data[: write_number(data, 0, -12.0304, 3)])
    b'-12.03'
    """
    scale = 10**digits
    rest = int(np.rint(abs(value) * scale))
    whole, part = rest // scale, rest % scale
    if value < 0 and rest:
        data[at] = 45  # -
        at += 1
    end = at + 1
    above = whole // 10
    while above:
        above //= 10
        end += 1
    for place in range(end - 1, at - 1, -1):
        data[place] = 48 + whole % 10
        whole //= 10
    data[end] = 46  # .
    for place in range(end + digits, end, -1):
        data[place] = 48 + part % 10
        part //= 10
    last = end + digits
    while last > end + 1 and data[last] == 48:
        last -= 1
    return last + 1


@compiled((array(INT, 2), array(REAL, 2), array(INT), array(BYTE), array(INT)))
def joined(tokens: Ints, numbers: Reals, digits: Ints, pieces: Bytes, bounds: Ints) -> tuple[Bytes, Ints]:
    """Return the text of rows, uint8, and where each ends, int64 [m]; piece c is `pieces[bounds[c]:bounds[c + 1]]`."""
    room = 0
    for row in range(len(tokens)):
        for token in tokens[row]:
            room += LONGEST if token < 0 else bounds[token + 1] - bounds[token]
    data, ends, at = np.empty(room, np.uint8), np.empty(len(tokens), np.int64), 0
    for row in range(len(tokens)):
        for token in tokens[row]:
            if token < 0:
                at = write_number(data, at, numbers[row, -1 - token], digits[-1 - token])
            else:
                for place in range(bounds[token], bounds[token + 1]):
                    data[at] = pieces[place]
                    at += 1
        ends[row] = at
    return data[:at], ends
