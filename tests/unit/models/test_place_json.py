"""What compiled code writes of the places of lists is what `ListedItem` says of each of them."""

import doctest
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from freshet.models import json_pieces
from freshet.models.assortment import Assortment, Item, Shelves
from freshet.models.json_pieces import PLAIN_BELOW, Pieces
from freshet.models.place_json import Columns, Parts, PlaceWriter
from freshet.models.reranking.moves import Move
from freshet.models.sources.source import Evidence, Reasons
from freshet.models.vocabulary import Vocabulary
from freshet.udfs.top_n import Because, ListedItem, Places

NOW_MS = 1_000
NAMES = ['plain "quoted" \\ name', "line\nbreak \x00 and \x7f", "ключ 🛒", "", "a" * 300]
IDS = [f"i{number}" for number in range(4)] + ['odd "id"', "🛒"]
SOURCES = ["co-visit", "trending", 'odd "source"']
PARTS = ["model", *SOURCES, "event rule"]
TEXTS = ["often bought with", 'as "they" say', ""]

texts = st.sampled_from(NAMES)
numbers = st.one_of(
    st.floats(-20, 20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e-5, -0.000004, 0.5, 3.0, PLAIN_BELOW, -PLAIN_BELOW, 9_999_999_999.12345]),
)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(json_pieces).failed == 0


@given(numbers, st.integers(1, 5))
def test_a_number_that_is_written_is_the_number_rounded(number: float, digits: int) -> None:
    assume(abs(number) < PLAIN_BELOW)
    text, ends = Pieces().joined(np.array([[-1]]), np.array([[number]]), np.array([digits]))
    assert orjson.loads(text) == float(np.round(number, digits))
    assert ends == [len(text)]
    assert len(text.partition(b".")[2]) <= digits


@given(st.lists(st.binary(max_size=30), max_size=40))
def test_a_piece_keeps_its_number_and_its_bytes(those: list[bytes]) -> None:
    pieces = Pieces()
    codes = [pieces.code(piece * 500) for piece in those]
    assert [pieces.code(piece * 500) for piece in those] == codes
    text, _ = pieces.joined(np.array([codes], np.int64).reshape(1, -1), np.zeros((1, 0)), np.zeros(0, np.int64))
    assert text == b"".join(piece * 500 for piece in those)


@st.composite
def assortments(draw: st.DrawFn) -> Assortment:
    shelves = Shelves(Vocabulary(tuple(IDS), ("bread",), np.ones(len(IDS) + 1, np.int32)))
    described = st.builds(
        Item,
        in_stock=st.just(True),
        available_since=st.none(),
        department=st.none(),
        product_type=st.none(),
        brand=st.none(),
        price=st.none() | st.just(2.49) | numbers,
        promotion=st.none() | texts,
        promotion_until=st.none() | st.sampled_from([NOW_MS - 1, NOW_MS, NOW_MS + 1]),
        category=st.none() | texts,
        title=st.none() | texts,
    )
    shelves.take([(item, draw(described)) for item in IDS if draw(st.booleans())])
    return shelves.current


@st.composite
def places(draw: st.DrawFn) -> dict[str, Any]:
    behind = draw(st.lists(st.integers(1, len(IDS)), max_size=4, unique=True))
    parts = draw(st.lists(st.tuples(st.integers(0, len(PARTS) - 1), numbers), min_size=3, max_size=3))
    told = [(name, round(value, 4)) for name, value in parts if abs(value) < PLAIN_BELOW]
    return {
        "item": draw(st.integers(1, len(IDS))),
        "score": draw(numbers),
        "source": draw(st.integers(0, len(SOURCES) - 1)),
        "evidence": Evidence(draw(texts), tuple(behind), draw(st.sampled_from(TEXTS)), draw(numbers)),
        "is_boosted": draw(st.booleans()),
        "parts": [part for part in told if part[1]],
        "moves": tuple(draw(st.lists(st.builds(Move, texts, st.integers(1, 9), st.integers(1, 9)), max_size=2))),
    }


def columns(lists: list[list[dict[str, Any]]]) -> Columns:
    those = [place for places in lists for place in places]
    names, values = np.zeros((len(those), 3), np.int64), np.zeros((len(those), 3))
    for row, place in enumerate(those):
        for at, (name, value) in enumerate(place["parts"]):
            names[row, at], values[row, at] = name, value
    return Columns(
        counts=[len(places) for places in lists],
        items=np.array([place["item"] for place in those], np.int64),
        scores=np.array([place["score"] for place in those], np.float64),
        sources=np.array([place["source"] for place in those], np.int64),
        reasons=Reasons.of([place["evidence"] for place in those]),
        boosted=np.array([place["is_boosted"] for place in those], np.bool_),
        parts=Parts(names, values),
        moves=[place["moves"] for place in those],
        now_ms=NOW_MS,
    )


def said(place: dict[str, Any], assortment: Assortment) -> ListedItem:
    """What is to be said of a place, one at a time."""
    item, evidence = place["item"], place["evidence"]
    by = [assortment.item(one) for one in evidence.items]
    reason = " ".join([evidence.text, *(assortment.title(one) for one in evidence.items[:1])])
    if place["is_boosted"]:
        reason = f"you look at {assortment.place('category', item)} a lot"
    return ListedItem(
        item_id=assortment.item(item),
        score=rounded(place["score"], 5),
        source=SOURCES[place["source"]],
        reason=reason,
        evidence=Because(evidence.kind, tuple(by), evidence.text, rounded(evidence.strength, 4)),
        contributions=tuple((PARTS[name], value) for name, value in place["parts"]),
        moves=tuple(f"{rule}: {before} -> {after}" for rule, before, after in place["moves"]),
        price=assortment.price_of(item),
        promotion=assortment.promotion_of(item, NOW_MS),
    )


def rounded(number: float, digits: int) -> float:
    return float(np.round(number, digits)) if abs(number) < PLAIN_BELOW else round(number, digits)


@given(assortments(), st.lists(st.lists(st.lists(places(), max_size=4), max_size=4), min_size=1, max_size=2))
def test_the_places_of_a_batch_are_what_is_said_of_each(
    assortment: Assortment, batches: list[list[list[dict[str, Any]]]]
) -> None:
    writer = PlaceWriter(SOURCES, PARTS, assortment)
    for lists in batches:
        written = writer.written(columns(lists), assortment)
        expected = [Places.of([said(place, assortment) for place in places]) for places in lists]
        assert [one.items for one in written] == [one.items for one in expected]
        for one, other in zip(written, expected, strict=True):
            assert orjson.loads(one.json) == orjson.loads(other.json)
            assert shape(one.json) == shape(other.json), "the store replaces places by what they begin with"


def shape(text: bytes) -> list[list[str]]:
    """The names of each place, in their order."""
    return [[*place, *(place["evidence"] or {})] for place in orjson.loads(text)]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_none_is_null(number: float) -> None:
    assortment = Shelves(Vocabulary(tuple(IDS), (), np.zeros(len(IDS) + 1, np.int32))).current
    place = {"item": 1, "score": number, "source": 0, "evidence": Evidence("k", (), "t", 1.0)}
    given_columns = columns([[place | {"is_boosted": False, "parts": [], "moves": ()}]])
    [written] = PlaceWriter(SOURCES, PARTS, assortment).written(given_columns, assortment)
    assert orjson.loads(written.json)[0]["score"] is None


@pytest.mark.parametrize("price", [2.49, 1.234567, 1e12, 1.79769313e303])
def test_a_price_is_written_as_it_is(price: float) -> None:
    shelves = Shelves(Vocabulary(tuple(IDS), ("bread",), np.ones(len(IDS) + 1, np.int32)))
    shelves.take([(IDS[0], Item(in_stock=True, price=price))])
    place = {"item": 1, "score": 1.0, "source": 0, "evidence": Evidence("k", (), "t", 1.0), "is_boosted": False}
    writer = PlaceWriter(SOURCES, PARTS, shelves.current)
    [written] = writer.written(columns([[place | {"parts": [], "moves": ()}]]), shelves.current)
    assert orjson.loads(written.json)[0]["price"] == price


def test_a_writer_that_keeps_too_much_is_worn() -> None:
    assortment = Shelves(Vocabulary(tuple(IDS), (), np.zeros(len(IDS) + 1, np.int32))).current
    writer = PlaceWriter(SOURCES, PARTS, assortment)
    place = {"item": 1, "score": 1.0, "source": 0, "evidence": Evidence("k", (), "t", 1.0), "is_boosted": False}
    assert not writer.is_worn()
    for first in range(0, 1 << 17, 1 << 12):
        moves = [(Move("rule", first + number, 1),) for number in range(1 << 12)]
        writer.written(columns([[place | {"parts": [], "moves": told} for told in moves]]), assortment)
    assert writer.is_worn()
