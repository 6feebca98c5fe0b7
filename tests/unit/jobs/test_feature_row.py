"""`freshet_row` packs, inside Flink, the bytes that `feast_layout` packs and that Feast's own protobufs are."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from freshet.udfs.feast_layout import NULL, double, int64, pack_row, string, string_list, unpack_row

pytestmark = pytest.mark.flink

INTS = (0, 1, -1, 127, 128, 300, 2**31, -(2**31), 2**63 - 1, -(2**63))
DOUBLES = (0.0, -0.0, 1.5, -2.25e-308, 5e-324, 1.7976931348623157e308, math.inf, -math.inf)
TEXTS = ("", "a", "Молоко", "🛒 corner shop", "line\nbreak", "\x00", "x" * 127, "x" * 128, "ы" * 8_192)
LONG_IDS = tuple("🛒" * 256 for _ in range(70))  # more than 64 KiB: the longest ids that ingest lets through
LISTS = ((), ("",), ("a", "b"), ("Молоко", "🛒"), tuple(f"item-{number}" for number in range(50)), LONG_IDS)

Row = tuple[int, int, int | None, float | None, str | None, list[str] | None]


def rows() -> list[Row]:
    """Return every special value beside special ones of the other types, and each type's null."""
    seeded = random.Random(7)

    def one(values: tuple[Any, ...]) -> Any:
        return seeded.choice((None, *values))

    special = [
        *((number, one(DOUBLES), one(TEXTS), one(LISTS)) for number in (*INTS, None)),
        *((one(INTS), number, one(TEXTS), one(LISTS)) for number in (*DOUBLES, None)),
        *((one(INTS), one(DOUBLES), text, one(LISTS)) for text in (*TEXTS, None)),
        *((one(INTS), one(DOUBLES), one(TEXTS), texts) for texts in (*LISTS, None)),
    ]
    return [
        (number, seeded.choice(INTS), whole, real, text, None if texts is None else list(texts))
        for number, (whole, real, text, texts) in enumerate(special)
    ]


def java_text(number: float | None) -> str | None:
    return None if number is None else repr(number).replace("inf", "Infinity")


def packed_by_us(row: Row) -> bytes:
    version, as_of, *features = row
    encode = (int64, double, string, string_list)
    values = [NULL if one is None else make(one) for make, one in zip(encode, features, strict=True)]  # type: ignore[operator]
    return pack_row(version, as_of, values)


def test_flink_packs_what_the_layout_packs(flink: Callable[..., Any]) -> None:
    columns = {
        "version": "BIGINT",
        "as_of": "BIGINT",
        "whole": "BIGINT",
        "real": "STRING",  # JSON knows no infinity
        "text": "STRING",
        "texts": "ARRAY<STRING>",
    }
    local = flink({})
    local.table("features", columns, [(*row[:3], java_text(row[3]), *row[4:]) for row in rows()])
    values = "whole, CAST(`real` AS DOUBLE), text, texts"
    packed = local.rows(f"SELECT version, freshet_row(version, as_of, {values}) FROM features")
    assert dict(packed) == {row[0]: packed_by_us(row) for row in rows()}


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}")
def test_the_layout_packs_what_feasts_protobufs_serialise_to(row: Row) -> None:
    from feast.protos.feast.types.Value_pb2 import StringList
    from feast.protos.feast.types.Value_pb2 import Value as ValueProto

    def proto_of(feature: Any) -> ValueProto:
        match feature:
            case int():
                return ValueProto(int64_val=feature)
            case float():
                return ValueProto(double_val=feature)
            case str():
                return ValueProto(string_val=feature)
            case list():
                return ValueProto(string_list_val=StringList(val=feature))
        return ValueProto()

    version, as_of, values = unpack_row(packed_by_us(row))
    assert (version, as_of) == row[:2]
    assert values == [proto_of(feature).SerializeToString() for feature in row[2:]]
