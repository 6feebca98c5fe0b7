"""A value is the same bytes in Java, in `feast_layout` and in Feast's own protobufs."""

import math
from typing import Any

import pytest

from freshet.udfs.feast_layout import ENCODERS, NULL
from freshet.udfs.read_features import value_of

INTS = (0, 1, -1, 127, 128, 300, 2**31, -(2**31), 2**63 - 1, -(2**63))
DOUBLES = (0.0, -0.0, 1.5, -2.25e-308, 5e-324, 1.7976931348623157e308, math.inf, -math.inf)
TEXTS = ("", "a", "Молоко", "🛒 corner shop", "line\nbreak", "\x00", "x" * 127, "x" * 128, "ы" * 8_192)
LONG_IDS = ["🛒" * 256 for _ in range(70)]  # more than 64 KiB: the longest ids that ingest lets through
LISTS: tuple[list[str], ...] = (
    [],
    [""],
    ["a", "b"],
    ["Молоко", "🛒"],
    [f"item-{number}" for number in range(50)],
    LONG_IDS,
)
INT_LISTS = ([0], list(INTS), list(range(300)))
DOUBLE_LISTS = ([0.0], list(DOUBLES), [0.5] * 100)

ALL = (None, *INTS, *DOUBLES, *TEXTS, *LISTS, *INT_LISTS, *DOUBLE_LISTS)
each = pytest.mark.parametrize("value", ALL, ids=lambda value: ascii(value)[:30])


def kind_of(value: Any) -> str:
    """Return Feast's type of a value; a list of nothing is one of texts."""
    names = {int: "Int64", float: "Float64", str: "String"}
    if isinstance(value, list):
        return f"Array({names[type(value[0])] if value else 'String'})"
    return names[type(value)]


def ours(value: Any) -> bytes:
    """Return what `feast_layout` makes of a value."""
    return NULL if value is None else ENCODERS[kind_of(value)](value)


@pytest.mark.flink
@each
def test_java_writes_what_the_layout_writes(jvm: Any, value: Any) -> None:
    assert bytes(jvm.freshet.features.Trial.proto(value)) == ours(value)


@each
def test_the_layout_writes_what_feasts_protobufs_serialise_to(value: Any) -> None:
    from feast.protos.feast.types import Value_pb2 as proto

    lists: Any = {"string": proto.StringList, "int64": proto.Int64List, "double": proto.DoubleList}
    names = {"Int64": "int64", "Float64": "double", "String": "string"}
    theirs = proto.Value()
    if isinstance(value, list):
        name = names[kind_of(value)[len("Array(") : -1]]
        theirs = proto.Value(**{f"{name}_list_val": lists[name](val=value)})
    elif value is not None:
        theirs = proto.Value(**{f"{names[kind_of(value)]}_val": value})
    assert ours(value) == theirs.SerializeToString()


@each
def test_the_reader_reads_what_was_written(value: Any) -> None:
    read = value_of(ours(value))
    assert read == value
    assert type(read) is type(value)
