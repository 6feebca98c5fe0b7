"""Writes the places of all lists of a batch as JSON: what `ListedItem.record` says, without an object for each place.

Whatever many places share is a piece that is encoded once: ids, titles, names of sources, clauses, moves. What is left of
a place is some thirty numbers, which are worked out for all places at once.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from freshet.models.assortment import Assortment
from freshet.models.json_pieces import NOTHING_AT_ALL, PLAIN_BELOW, Pieces
from freshet.models.reranking.moves import Move
from freshet.models.sources.source import Reasons
from freshet.models.user_state import Ints, Reals
from freshet.udfs.top_n import Places

SCORE_DIGITS, STRENGTH_DIGITS, PART_DIGITS, PRICE_DIGITS = 5, 4, 4, 5
"""So many digits of each number stand behind the point."""

NOT_MADE = -1
WORN = 1 << 16
"""Pieces beyond those of items, of which a price or a move may be one, before all are made anew."""

Bools = NDArray[np.bool_]
PieceOf = Callable[[Assortment, int], bytes]


class Parts(NamedTuple):
    """The largest parts of the scores of m places.

    Attributes:
        names: int64 [m, p], numbers of the parts' names, those that are something first.
        values: float64 [m, p], what each adds; 0 behind the last.
    """

    names: Ints
    values: Reals


class Columns(NamedTuple):
    """What there is to be said of the m places of the lists of a batch, one list behind the other.

    Attributes:
        counts: how many places each list has.
        items: int64 [m].
        scores: float64 [m].
        sources: int64 [m], numbers of their names.
        reasons: the evidence.
        boosted: bool [m], whether an event rule speaks for the item's category.
        parts: of the scores.
        moves: for each place, the rules that moved it.
        now_ms: the time.
    """

    counts: Sequence[int]
    items: Ints
    scores: Reals
    sources: Ints
    reasons: Reasons
    boosted: Bools
    parts: Parts
    moves: Sequence[tuple[Move, ...]]
    now_ms: int


def quoted(text: str) -> bytes:
    """Return a text as it stands between the quotes of a JSON string."""
    return orjson.dumps(text)[1:-1]


def id_piece(assortment: Assortment, item: int) -> bytes:
    """Return an item's id as a JSON string."""
    return orjson.dumps(assortment.ids[item - 1])


def title_piece(assortment: Assortment, item: int) -> bytes:
    """Return what a reason goes on with behind its clause: the title of an item."""
    return b" " + quoted(assortment.title(item))


def category_piece(assortment: Assortment, item: int) -> bytes:
    """Return the reason of an item that is there because its category is looked at."""
    return quoted(f"you look at {assortment.place('category', item)} a lot")


class PlaceWriter:
    """Writes places for one state of the catalogue's titles. For one thread."""

    def __init__(self, sources: Sequence[str], parts: Sequence[str], assortment: Assortment) -> None:
        """Take the names of sources and of the parts of a score, and what names and describes items."""
        self._pieces = pieces = Pieces()
        self._moves: dict[tuple[Move, ...], int] = {}
        self._clauses: dict[tuple[str, str], tuple[int, int, int]] = {}
        size = len(assortment) + 1
        self._ids, self._titles, self._categories = (np.full(size, NOT_MADE) for _ in range(3))
        for table in (self._ids, self._titles, self._categories):
            table[0] = NOTHING_AT_ALL
        self._comma = pieces.code(b",")
        self._begin = np.array([pieces.code(b',{"item_id":'), pieces.code(b'{"item_id":')])
        self._score, self._price = pieces.code(b',"score":'), pieces.code(b',"price":')
        self._sources = np.array([pieces.code(b',"source":%b,"reason":"' % orjson.dumps(name)) for name in sources])
        first = [pieces.code(b'},"contributions":[{"feature":%b,"value":' % orjson.dumps(name)) for name in parts]
        later = [pieces.code(b'},{"feature":%b,"value":' % orjson.dumps(name)) for name in parts]
        self._first_part, self._later_part = np.array(first), np.array(later)
        self._no_part = pieces.code(b'},"contributions":[')
        self._end_of_parts = np.array([pieces.code(b"]"), pieces.code(b"}]")])

    def is_worn(self) -> bool:
        """Tell whether another writer should take over, since this one keeps much that is of no use any more."""
        return len(self._pieces) > 3 * len(self._ids) + WORN

    def written(self, columns: Columns, assortment: Assortment) -> list[Places]:
        """Return the places of each list; `assortment` has the ids and titles of the one that the writer was made with."""
        row, items = Row(self._pieces, len(columns.items)), columns.items
        bounds = np.concatenate(([0], np.cumsum(columns.counts, dtype=np.int64)))
        is_first = np.zeros(len(items) + 1, np.int64)
        is_first[bounds] = 1
        row.add(self._begin[is_first[:-1]], self._of_items(self._ids, items, assortment, id_piece), self._score)
        row.add_numbers(columns.scores, SCORE_DIGITS)
        row.add(self._sources[columns.sources])
        self._add_reasons(row, columns, assortment)
        self._add_parts(row, columns.parts)
        row.add(np.array([self._moves_of(told) for told in columns.moves], np.int64), self._price)
        row.add_numbers(assortment.price[items], PRICE_DIGITS, is_exact=True)
        row.add(self._promotions_of(assortment, items, columns.now_ms))
        text, ends = row.joined()
        edges, names = [0, *ends], [assortment.ids[item - 1] for item in items.tolist()]
        return [
            Places(tuple(names[first:end]), b"[%b]" % text[edges[first] : edges[end]])
            for first, end in pairwise(bounds.tolist())
        ]

    def _add_reasons(self, row: "Row", columns: Columns, assortment: Assortment) -> None:
        """Add the reason, which names the strongest item behind the place, and the evidence."""
        reasons = columns.reasons
        behind = self._of_items(self._ids, reasons.items, assortment, id_piece)
        clauses = np.array([self._clause(*one) for one in reasons.clauses], np.int64).reshape(-1, 3)[reasons.which]
        strongest = reasons.items[:, 0] if behind.shape[1] else np.zeros(len(behind), np.int64)
        text, title = clauses[:, 0], self._of_items(self._titles, strongest, assortment, title_piece)
        if columns.boosted.any():
            boosted = np.where(columns.boosted, columns.items, 0)
            looked_at = self._of_items(self._categories, boosted, assortment, category_piece)
            text = np.where(columns.boosted, looked_at, text)
            title = np.where(columns.boosted, NOTHING_AT_ALL, title)
        row.add(text, title, clauses[:, 1])
        for place in range(behind.shape[1]):
            comma = (
                np.where(behind[:, place] != NOTHING_AT_ALL, self._comma, NOTHING_AT_ALL) if place else NOTHING_AT_ALL
            )
            row.add(comma, behind[:, place])
        row.add(clauses[:, 2])
        row.add_numbers(reasons.strengths, STRENGTH_DIGITS)

    def _clause(self, kind: str, text: str) -> tuple[int, int, int]:
        """Return the pieces of a clause: in the reason, before the items of the evidence, and behind them."""
        found = self._clauses.get((kind, text))
        if found is None:
            code = self._pieces.code
            found = self._clauses[kind, text] = (
                code(quoted(text)),
                code(b'","evidence":{"kind":%b,"items":[' % orjson.dumps(kind)),
                code(b'],"text":%b,"strength":' % orjson.dumps(text)),
            )
        return found

    def _add_parts(self, row: "Row", parts: Parts) -> None:
        there = parts.values != 0
        for place, (names, is_there) in enumerate(zip(parts.names.T, there.T, strict=True)):
            named, otherwise = (self._later_part, NOTHING_AT_ALL) if place else (self._first_part, self._no_part)
            row.add(np.where(is_there, named[names], otherwise))
            row.add_numbers(parts.values[:, place], PART_DIGITS, is_there=is_there)
        row.add(self._end_of_parts[there[:, 0].astype(np.int64)])

    def _moves_of(self, moves: tuple[Move, ...]) -> int:
        code = self._moves.get(moves)
        if code is None:
            told = [f"{rule}: {before} -> {after}" for rule, before, after in moves]
            code = self._moves[moves] = self._pieces.code(b',"moves":' + orjson.dumps(told))
        return code

    def _promotions_of(self, assortment: Assortment, items: Ints, now_ms: int) -> Ints:
        codes, which = np.unique(assortment.promotions_of(items, now_ms), return_inverse=True)
        names = [assortment.names["promotion"].name(code) for code in codes.tolist()]
        pieces = [self._pieces.code(b',"promotion":%b}' % orjson.dumps(name)) for name in names]
        return np.array(pieces, np.int64)[which]

    def _of_items(self, table: Ints, items: Ints, assortment: Assortment, piece_of: PieceOf) -> Ints:
        """Return the pieces of items, which a table keeps once they are made."""
        found = table[items]
        if (missing := found == NOT_MADE).any():
            for item in np.unique(items[missing]).tolist():
                table[item] = self._pieces.code(piece_of(assortment, item))
            found = table[items]
        return found


class Row:
    """The row of tokens of each of m places, put together column by column."""

    def __init__(self, pieces: Pieces, places: int) -> None:
        self._pieces, self._places = pieces, places
        self._tokens: list[Ints] = []
        self._numbers: list[Reals] = []
        self._digits: list[int] = []

    def add(self, *columns: Ints | int) -> None:
        """Add pieces: one for each place, int64 [m], or one for all."""
        self._tokens += [np.broadcast_to(np.asarray(column, np.int64), (self._places,)) for column in columns]

    def add_numbers(self, values: Reals, digits: int, *, is_there: Bools | None = None, is_exact: bool = False) -> None:
        """Add a number for each place.

        Args:
            values: float64 [m].
            digits: so many stand behind the point; the rest is rounded off.
            is_there: bool [m], whether there is one; all if None.
            is_exact: whether a number that has more digits keeps them. What is none is then `null`.
        """
        is_plain = np.abs(values) < PLAIN_BELOW
        if is_exact:
            is_plain[is_plain] = values[is_plain].round(digits) == values[is_plain]  # rounding a huge number overflows
        self._numbers.append(values)
        self._digits.append(digits)
        tokens = np.full(self._places, -len(self._numbers))
        for place in np.flatnonzero(~is_plain).tolist():
            value = float(values[place])
            tokens[place] = self._pieces.code(orjson.dumps(value if is_exact else round(value, digits)))
        self._tokens.append(tokens if is_there is None else np.where(is_there, tokens, NOTHING_AT_ALL))

    def joined(self) -> tuple[bytes, list[int]]:
        """Return the text of all places, one behind the other, and where each ends."""
        numbers = np.stack(self._numbers, axis=1, dtype=np.float64)
        return self._pieces.joined(np.stack(self._tokens, axis=1), numbers, np.array(self._digits, np.int64))
