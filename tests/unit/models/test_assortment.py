"""The assortment: the catalogue as columns, one snapshot after another, and what has become of items between two."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.assortment import (
    COLUMNS,
    NEVER,
    PLACES,
    Assortment,
    Change,
    Difference,
    Item,
    Shelves,
    differences,
    item_in,
    standing_differences,
)
from freshet.models.vocabulary import Vocabulary
from freshet.schemas.avro import Decoder, Encoder, schema_text

NOON = 1_514_808_000_000
VOCABULARY = Vocabulary(("a", "b", "c"), ("tea", "salt"), np.array([0, 1, 2, 0], np.int32))


@pytest.fixture
def shelves() -> Shelves:
    return Shelves(VOCABULARY)


def told(
    before: Assortment, shelves: Shelves, *changes: Change, since: int = NOON, now: int = NOON
) -> list[Difference]:
    named = shelves.take(changes)
    return differences(before, shelves.current, named, since, now, 0.1)


def stated(**said: Any) -> Item:
    """Return what is read of a record, through the wire."""
    encode, decode = Encoder("catalog", 1), Decoder("catalog", lambda _: schema_text("catalog"))
    return item_in(decode(encode({"item_id": "a", "updated_at": NOON} | said)))


# ---- A record -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "is_sold"),
    [
        ({}, True),
        ({"in_stock": False}, False),
        ({"stock": 0}, False),
        ({"stock": -2}, False),
        ({"stock": 3}, True),
        ({"stock": 3, "in_stock": False}, False),
    ],
)
def test_an_item_is_in_stock_unless_the_record_says_no_or_none_are_left(said: dict[str, Any], is_sold: bool) -> None:
    assert stated(**said).in_stock is is_sold


def test_a_record_says_what_an_item_costs_where_it_belongs_and_what_it_is_offered_as() -> None:
    said = {
        "price": 2.5,
        "promotion": "week 12",
        "promotion_until": NOON + 5,
        "available_since": NOON - 5,
        "category": "tea",
        "department": "food",
        "product_type": "black",
        "brand": "x",
        "title": "Tea",
    }
    assert stated(**said)._asdict() == {"in_stock": True} | said


# ---- Snapshots ------------------------------------------------------------------------------------------------------


def test_before_anything_is_heard_the_models_items_are_sold_in_the_models_categories(shelves: Shelves) -> None:
    current = shelves.current
    assert (len(current), current.in_stock.tolist()) == (3, [False, True, True, True])
    assert [current.place("category", index) for index in (1, 2, 3)] == ["tea", "salt", None]
    assert Shelves(VOCABULARY, unnamed_is_sold=False).current.in_stock.tolist() == [False] * 4


def test_a_new_item_gets_the_next_index_and_keeps_it(shelves: Shelves) -> None:
    shelves.take([("x", Item(category="tea", title="X")), ("y", Item(category="new", price=2.0))])
    shelves.take([("x", None)])
    shelves.take([("z", Item())])
    current = shelves.current
    assert [current.index(item) for item in ("a", "c", "x", "y", "z", "unheard of")] == [1, 3, 4, 5, 6, 0]
    assert [current.item(index) for index in (4, 6)] == ["x", "z"]
    assert (current.place("category", 4), current.place("category", 5)) == ("tea", "new")
    assert (current.category[4], current.title(4), current.title(6)) == (1, "X", "z")
    assert (current.price_of(5), current.price_of(4)) == (2.0, None)


@pytest.mark.parametrize("index", [0, -1, 4])
def test_nothing_has_an_index_outside(shelves: Shelves, index: int) -> None:
    with pytest.raises(IndexError):
        shelves.current.item(index)


def test_an_older_snapshot_does_not_know_what_came_after_it(shelves: Shelves) -> None:
    before = shelves.current
    shelves.take([("x", Item()), ("a", Item(in_stock=False, category="salt"))])
    assert (len(before), before.index("x"), bool(before.in_stock[1]), before.place("category", 1)) == (
        3,
        0,
        True,
        "tea",
    )


def test_an_index_is_told_only_when_the_newest_snapshot_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shelves, seen = Shelves(VOCABULARY), []
    renew = shelves._renew

    def looked(*changed: Any, **how: Any) -> None:
        seen.append(shelves.current.index_of.get("x"))
        renew(*changed, **how)

    monkeypatch.setattr(shelves, "_renew", looked)
    shelves.take([("x", Item()), ("x", None), ("x", Item(price=2.0))])
    assert (seen, shelves.current.index_of["x"], len(shelves.current)) == ([None], 4, 4)


def test_a_snapshot_cannot_be_changed(shelves: Shelves) -> None:
    with pytest.raises(ValueError, match="read-only"):
        shelves.current.in_stock[1] = False


def test_what_is_said_twice_changes_nothing(shelves: Shelves) -> None:
    said = [("a", Item(price=1.0, title="A", promotion="p", category="tea")), ("b", Item(price=None))]
    shelves.take(said)
    before = shelves.current
    shelves.take(said)
    assert shelves.current is before


def test_stock_and_price_do_not_ask_for_a_new_description_and_a_place_or_title_does(shelves: Shelves) -> None:
    described = shelves.current.described
    for said, is_described in (
        (Item(category="tea"), False),
        (Item(category="tea", in_stock=False), False),
        (Item(category="tea", in_stock=False, price=3.0), False),
        (Item(category="tea", title="A"), True),
        (Item(category="salt", title="A"), True),
    ):
        shelves.take([("a", said)])
        assert (shelves.current.described > described) is is_described
        described = shelves.current.described


def test_an_item_that_is_gone_is_remembered_as_it_was(shelves: Shelves) -> None:
    shelves.take([("a", Item(category="tea", promotion="p", price=2.0, title="A"))])
    shelves.take([("a", None), ("never heard of", None)])
    current = shelves.current
    assert (bool(current.in_stock[1]), current.promotion_of(1, NOON)) == (False, None)
    assert (current.place("category", 1), current.price_of(1), current.title(1), len(current)) == ("tea", 2.0, "A", 3)


def test_a_promotion_lasts_until_it_ends_or_is_taken_back(shelves: Shelves) -> None:
    shelves.take([("a", Item(promotion="p", promotion_until=NOON)), ("b", Item(promotion="q"))])
    current = shelves.current
    assert [current.promotion_of(1, at) for at in (NOON - 1, NOON)] == ["p", None]
    assert current.promotion_until[2] == NEVER
    assert current.is_promoted(NOON).tolist() == [False, False, True, False]


items = st.builds(
    Item,
    in_stock=st.booleans(),
    price=st.none() | st.sampled_from([1.0, 2.0]),
    promotion=st.sampled_from([None, "p", "q"]),
    promotion_until=st.sampled_from([None, NOON - 1, NOON, NOON + 1]),
    category=st.sampled_from([None, "tea", "new"]),
    brand=st.sampled_from([None, "x"]),
    title=st.sampled_from([None, "t", "u"]),
    **dict.fromkeys(("available_since", "department", "product_type"), st.none()),
)
changes = st.tuples(st.sampled_from("abcxyz"), st.none() | items)


@given(st.lists(st.lists(changes, max_size=4), max_size=6))
def test_a_snapshot_holds_the_newest_that_was_said_of_each_item(batches: list[list[Change]]) -> None:
    shelves = Shelves(VOCABULARY)
    newest: dict[str, Item] = {}
    for batch in batches:
        shelves.take(batch)
        for item, said in batch:
            if said:
                newest[item] = said
            elif item in newest:
                newest[item] = newest[item]._replace(in_stock=False, promotion=None)
        for item, said in newest.items():
            index = shelves.current.index(item)
            assert (bool(shelves.current.in_stock[index]), shelves.current.price_of(index)) == (
                said.in_stock,
                said.price,
            )
            assert {name: shelves.current.place(name, index) for name in PLACES} == {
                name: getattr(said, name) for name in PLACES
            }
            is_on = said.promotion and (said.promotion_until is None or said.promotion_until > NOON)
            assert shelves.current.promotion_of(index, NOON) == (said.promotion if is_on else None)
    assert {len(getattr(shelves.current, name)) for name in COLUMNS} == {len(shelves.current) + 1}


# ---- Differences ----------------------------------------------------------------------------------------------------


def test_what_runs_out_or_leaves_the_catalogue_is_out_once(shelves: Shelves) -> None:
    before = shelves.current
    assert told(before, shelves, ("a", Item(in_stock=False)), ("b", None)) == [
        Difference(1, "out"),
        Difference(2, "out"),
    ]
    assert told(shelves.current, shelves, ("a", Item(in_stock=False)), ("a", None)) == []
    assert told(shelves.current, shelves, ("a", Item())) == []


def test_an_item_that_nobody_knew_can_be_in_no_list(shelves: Shelves) -> None:
    assert told(shelves.current, shelves, ("x", Item(in_stock=False))) == []


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [(2.0, 2.1, False), (2.0, 1.9, False), (2.0, 2.3, True), (2.0, 1.7, True), (2.0, None, True), (None, 2.0, True)],
)
def test_a_price_is_told_when_it_has_moved_far_enough(
    shelves: Shelves, before: float | None, after: float | None, is_told: bool
) -> None:
    shelves.take([("a", Item(price=before))])
    assert told(shelves.current, shelves, ("a", Item(price=after))) == [Difference(1, "price")] * is_told


def test_the_price_of_what_is_out_of_stock_is_nobodys_business(shelves: Shelves) -> None:
    shelves.take([("a", Item(price=1.0, in_stock=False))])
    assert told(shelves.current, shelves, ("a", Item(price=2.0, in_stock=False))) == []


def test_a_promotion_is_told_when_it_is_taken_back_or_another_follows(shelves: Shelves) -> None:
    shelves.take([("a", Item(promotion="p")), ("b", Item(promotion="p")), ("c", Item(promotion="p"))])
    found = told(shelves.current, shelves, ("a", Item()), ("b", Item(promotion="q")), ("c", Item(promotion="p")))
    assert found == [Difference(1, "promotion", "p"), Difference(2, "promotion", "p")]


def test_a_promotion_is_told_once_when_its_time_is_over(shelves: Shelves) -> None:
    shelves.take([("a", Item(promotion="p", promotion_until=NOON))])
    current = shelves.current
    assert told(current, shelves, since=NOON - 20, now=NOON - 10) == []
    assert told(current, shelves, since=NOON - 10, now=NOON + 10) == [Difference(1, "promotion", "p")]
    assert told(current, shelves, since=NOON + 10, now=NOON + 20) == []


def test_at_the_start_everything_that_is_not_sold_may_still_be_listed(shelves: Shelves) -> None:
    shelves.take(
        [("a", Item(in_stock=False)), ("x", Item(in_stock=False)), ("b", Item(promotion="p", promotion_until=1))]
    )
    assert standing_differences(shelves.current, NOON) == [
        Difference(1, "out"),
        Difference(4, "out"),
        Difference(2, "promotion", "p"),
    ]
