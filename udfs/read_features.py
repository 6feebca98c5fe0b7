"""The fast way to read features: the store's bytes, no Feast, many entities a round trip.

`feast.FeatureStore.get_online_features` reads the same values; `tests/contracts/test_feast.py` holds the two together.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.udfs.feast_layout import EntityKeys, field_name, timestamp_field, version_field
from freshet.udfs.redis_pipe import Packed, RedisPipe, for_each

_double = struct.Struct("<d").unpack_from
_WIRE_INT64, _WIRE_DOUBLE, _WIRE_STRING, _WIRE_STRING_LIST = 0x20, 0x29, 0x12, 0x62
_WIRE_INT64_LIST, _WIRE_DOUBLE_LIST = 0x72, 0x7A
_ONE_BYTE = 0x7F  # the largest varint of one byte
_DOUBLE_VALUE = np.dtype([("tag", "u1"), ("value", "<f8")])
_NOT_A_NUMBER = b"\x29" + struct.pack("<d", math.nan)

Feature = int | float | str | list[str] | list[int] | list[float] | None


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a protobuf varint and the place behind it.

    >>> read_varint(bytes.fromhex("ac02"), 0)
    (300, 2)
    """
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def value_of(data: bytes | None) -> Feature:
    """Return what a ValueProto holds; None when it is missing or holds nothing.

    >>> value_of(bytes.fromhex("2007")), value_of(None), value_of(b"")
    (7, None, None)
    >>> value_of(bytes.fromhex("72040a020003")), value_of(bytes.fromhex("7a00"))
    ([0, 3], [])

    Raises:
        ValueError: it holds a type that Freshet does not write.
    """
    if not data:
        return None
    tag = data[0]
    if tag == _WIRE_DOUBLE:
        return float(_double(data, 1)[0])
    if tag == _WIRE_INT64:
        return _signed(read_varint(data, 1)[0])
    if tag == _WIRE_STRING:
        _, at = read_varint(data, 1)
        return data[at:].decode()
    if tag == _WIRE_STRING_LIST:
        return _string_list(data)
    if tag in (_WIRE_INT64_LIST, _WIRE_DOUBLE_LIST):
        return _numbers(data, tag)
    raise ValueError(f"a ValueProto that begins with byte {tag:#x}")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _numbers(data: bytes, tag: int) -> list[int] | list[float]:
    """Return the elements of a packed list: one field inside the value, or none when the list is empty."""
    _, at = read_varint(data, 1)
    if at == len(data):
        return []
    _, at = read_varint(data, at + 1)
    if tag == _WIRE_DOUBLE_LIST:
        return list(struct.unpack_from(f"<{(len(data) - at) // 8}d", data, at))
    values = []
    while at < len(data):
        value, at = read_varint(data, at)
        values.append(_signed(value))
    return values


def _string_list(data: bytes) -> list[str]:
    _, at = read_varint(data, 1)
    end, values = len(data), []
    while at < end:
        length = data[at + 1]  # behind the element's tag of one byte
        at += 2
        if length > _ONE_BYTE:
            length, at = read_varint(data, at - 1)
        values.append(data[at : at + length].decode())
        at += length
    return values


def time_of(data: bytes | None) -> int | None:
    """Return the milliseconds of a protobuf Timestamp; None when it is missing.

    >>> time_of(b"\\x08\\x01\\x10\\x80\\x84\\xaf\\x5f")
    1200
    """
    if data is None:
        return None
    seconds = nanos = at = 0
    while at < len(data):
        tag = data[at]
        value, at = read_varint(data, at + 1)
        if tag == 0x08:
            seconds = value
        else:
            nanos = value
    return seconds * 1000 + nanos // 1_000_000


class Reading(NamedTuple):
    """An entity's values as of an event time; `as_of` and `version` are None for an entity that nobody wrote."""

    as_of: int | None
    version: str | None
    values: tuple[Feature, ...]


class Numbers(NamedTuple):
    """Features of the entities that the store holds, all of them doubles.

    Attributes:
        positions: int64 [n], places of these entities among those that were asked for.
        as_of: int64 [n], the event times, in milliseconds, that their values hold for.
        values: float64 [n, features]; NaN where a feature is missing.
    """

    positions: NDArray[np.int64]
    as_of: NDArray[np.int64]
    values: NDArray[np.float64]


class FeatureReader:
    """Reads the named features of one view."""

    def __init__(self, pipe: RedisPipe, project: str, view: str, keys: Sequence[str], features: Sequence[str]) -> None:
        self._pipe = pipe
        self.key_of = EntityKeys(project, keys)
        self._fields = [timestamp_field(view), version_field(view), *(field_name(view, name) for name in features)]
        self._missing = Reading(None, None, (None,) * len(features))

    def read(self, entities: Sequence[Sequence[str]]) -> list[Reading]:
        """Return a reading for each entity, given by its key values in the order of the view's keys.

        Raises:
            redis.RedisError: the store did not answer.
        """
        return self.read_beside(entities)[0]

    def read_beside(self, entities: Sequence[Sequence[str]], *others: Packed) -> tuple[list[Reading], list[list[Any]]]:
        """Return a reading for each entity, and the answers to other commands that travel in the same round trip.

        Raises:
            redis.RedisError: the store did not answer.
        """
        rows, *answers = self._pipe.run_packed(self._reading([self.key_of(entity) for entity in entities]), *others)
        return [self._missing if row[0] is None else _reading(row) for row in rows], answers

    def numbers(self, keys: Sequence[bytes]) -> Numbers:
        """Return the features, which must be doubles, of those of the store's keys that hold the view.

        Raises:
            redis.RedisError: the store did not answer.
            ValueError: a feature is not a double.
        """
        (rows,) = self._pipe.run_packed(self._reading(keys))
        positions = [at for at, row in enumerate(rows) if row[0] is not None]
        columns = list(zip(*(rows[at] for at in positions), strict=True)) or [()] * len(self._fields)
        return Numbers(
            np.array(positions, np.int64),
            np.array([_as_of(*stamp) for stamp in zip(*columns[:2], strict=True)], np.int64),
            np.stack([_doubles(column) for column in columns[2:]], axis=1),
        )

    def _reading(self, keys: Sequence[bytes]) -> Packed:
        return for_each([b"HMGET"], keys, self._fields)


def _as_of(timestamp: bytes, version: bytes | None) -> int:
    """Return the instant that the values hold for; a version, which only Feast does not write, tells it sooner."""
    return int(version.rpartition(b"-")[0]) if version else time_of(timestamp) or 0


def _doubles(column: Sequence[bytes | None]) -> NDArray[np.float64]:
    """Return the doubles of many ValueProtos at once: each is a tag and eight bytes."""
    data = b"".join([value or _NOT_A_NUMBER for value in column])
    found = np.frombuffer(data, _DOUBLE_VALUE) if len(data) == len(column) * _DOUBLE_VALUE.itemsize else None
    if found is None or (found["tag"] != _WIRE_DOUBLE).any():
        raise ValueError("a feature that is read as a number is not a double")
    return found["value"]


def _reading(row: Sequence[Any]) -> Reading:
    version = row[1].decode() if row[1] else None
    return Reading(time_of(row[0]), version, tuple(value_of(data) for data in row[2:]))
