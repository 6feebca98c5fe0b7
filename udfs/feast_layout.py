"""Feast's layout in Redis, byte for byte (entity keys of version 3), without Feast's cost.

One hash an entity. Its key is the serialised entity key and the project; a feature is the field murmur3("<view>:<feature>")
and holds a `ValueProto`; `_ts:<view>` holds a protobuf `Timestamp`. Beside them stands `_v:<view>`, our version, which no
Feast reader asks for. `tests/contracts/test_feast.py` holds this module to what Feast itself writes.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import mmh3

STRING = 2  # ValueType.STRING

# Field numbers of ValueProto, shifted and joined with the protobuf wire type.
TAG_STRING = b"\x12"  # 2, length-delimited
TAG_INT64 = b"\x20"  # 4, varint
TAG_DOUBLE = b"\x29"  # 5, eight bytes
TAG_STRING_LIST = b"\x62"  # 12, length-delimited; inside: field 1, length-delimited
TAG_INT64_LIST = b"\x72"  # 14, likewise; inside: field 1, packed
TAG_DOUBLE_LIST = b"\x7a"  # 15, likewise
TAG_LIST_ELEMENT = b"\x0a"
TAG_SECONDS = b"\x08"
TAG_NANOS = b"\x10"

_u32 = struct.Struct("<I").pack
_double = struct.Struct("<d").pack


def field_name(view: str, feature: str) -> bytes:
    """Return the four bytes under which a feature stands.

    >>> field_name("user_activity", "user_events_count_5m").hex()
    '23a3914c'
    """
    return _u32(mmh3.hash(f"{view}:{feature}", signed=False))


def timestamp_field(view: str) -> bytes:
    """Return the field of the view's event time."""
    return f"_ts:{view}".encode()


def version_field(view: str) -> bytes:
    """Return the field of the view's version."""
    return f"_v:{view}".encode()


class EntityKeys:
    """Makes the Redis keys of one kind of entity; join keys are sorted as Feast sorts them, values are text."""

    def __init__(self, project: str, join_keys: Sequence[str]) -> None:
        order = sorted(range(len(join_keys)), key=lambda at: join_keys[at])
        names = [join_keys[at].encode() for at in order]
        self.order = order
        self.head = _u32(len(names)) + b"".join(_u32(STRING) + _u32(len(name)) + name for name in names)
        self.tail = project.encode()

    def __call__(self, values: Sequence[str]) -> bytes:
        """Return the key of the entity with these values, given in the order of the join keys.

        >>> EntityKeys("p", ["user_id"])(["u7"]).hex()
        '010000000200000007000000757365725f69640200000002000000753770'
        """
        return b"".join([self.head, *(_key_value(values[at]) for at in self.order), self.tail])

    def values_of(self, key: bytes) -> tuple[str, ...] | None:
        """Return the values of a key, in the order of the join keys; None if it is of another kind of entity.

        >>> keys = EntityKeys("p", ["user_id"])
        >>> keys.values_of(keys(["u7"])), keys.values_of(b"other")
        (('u7',), None)
        """
        if not key.startswith(self.head) or not key.endswith(self.tail):
            return None
        at, values = len(self.head), [""] * len(self.order)
        for place in self.order:
            length = int.from_bytes(key[at + 4 : at + 8], "little")
            values[place] = key[at + 8 : at + 8 + length].decode()
            at += 8 + length
        return tuple(values) if at + len(self.tail) == len(key) else None

    def begin(self, first: str) -> bytes:
        """Return the key of a pair up to the value of the join key that sorts first; `end` is the rest.

        Whoever asks for many keys that share a part encodes it once.
        """
        return self.head + _key_value(first)

    def end(self, last: str) -> bytes:
        """Return the key of a pair from the value of the join key that sorts last."""
        return _key_value(last) + self.tail


def _key_value(value: str) -> bytes:
    text = value.encode()
    return _u32(STRING) + _u32(len(text)) + text


def varint(value: int) -> bytes:
    """Return a protobuf varint; a negative number takes ten bytes.

    >>> varint(300).hex(), len(varint(-1))
    ('ac02', 10)
    """
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def int64(value: int) -> bytes:
    """Return a ValueProto that holds an integer."""
    return TAG_INT64 + varint(value)


def double(value: float) -> bytes:
    """Return a ValueProto that holds a double."""
    return TAG_DOUBLE + _double(value)


def string(value: str) -> bytes:
    """Return a ValueProto that holds text."""
    text = value.encode()
    return TAG_STRING + varint(len(text)) + text


def string_list(values: Sequence[str]) -> bytes:
    """Return a ValueProto that holds a list of texts."""
    body = b"".join(TAG_LIST_ELEMENT + varint(len(text)) + text for text in map(str.encode, values))
    return TAG_STRING_LIST + varint(len(body)) + body


def int64_list(values: Sequence[int]) -> bytes:
    """Return a ValueProto that holds a list of integers."""
    return _packed_list(TAG_INT64_LIST, b"".join(map(varint, values)))


def double_list(values: Sequence[float]) -> bytes:
    """Return a ValueProto that holds a list of doubles."""
    return _packed_list(TAG_DOUBLE_LIST, b"".join(map(_double, values)))


def _packed_list(tag: bytes, elements: bytes) -> bytes:
    body = TAG_LIST_ELEMENT + varint(len(elements)) + elements if elements else b""
    return tag + varint(len(body)) + body


NULL = b""  # a ValueProto in which nothing is set

ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "Int64": int64,
    "Float64": double,
    "String": string,
    "Array(String)": string_list,
    "Array(Int64)": int64_list,
    "Array(Float64)": double_list,
}


def timestamp(ms: int) -> bytes:
    """Return a protobuf Timestamp of milliseconds since the epoch; zero parts are left out, as protobuf does."""
    seconds, rest = divmod(ms, 1000)
    head = TAG_SECONDS + varint(seconds) if seconds else b""
    return head + TAG_NANOS + varint(rest * 1_000_000) if rest else head
