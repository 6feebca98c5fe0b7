"""Avro records in Confluent's wire format: a zero byte, the schema's id as four bytes, then the record."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import fastavro

MAGIC = b"\x00"
HEADER_BYTES = 5

Record = dict[str, Any]


class NotConfluentFramed(ValueError):
    """The bytes do not begin with the zero byte and a schema id."""


class UnreadableRecord(ValueError):
    """The bytes do not hold a record of the schema that they name."""


@cache
def schema_text(name: str) -> str:
    """Return the text of `schemas/<name>.avsc` on one line, as it is registered."""
    return json.dumps(json.loads(files("freshet.schemas").joinpath(f"{name}.avsc").read_text("utf-8")))


@cache
def schema(name: str) -> Any:
    """Return the parsed schema of `schemas/<name>.avsc`, timestamps as plain milliseconds."""
    return parse(schema_text(name))


def parse(text: str) -> Any:
    """Parse a schema for use in a job: logical types are left out, so a timestamp is its milliseconds.

    A datetime per record would cost more than the rest of its decoding, and a time of the year 300000, which a broken
    clock can send, has no datetime at all.
    """
    return fastavro.parse_schema(_without_logical_types(json.loads(text)))


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_logical_types(child) for child in node]
    if isinstance(node, dict):
        return {key: _without_logical_types(child) for key, child in node.items() if key != "logicalType"}
    return node


def frame(schema_id: int, body: bytes) -> bytes:
    """Put Confluent's header before an Avro body.

    >>> frame(7, b"x")
    b'\\x00\\x00\\x00\\x00\\x07x'
    """
    return MAGIC + schema_id.to_bytes(4, "big") + body


def unframe(payload: bytes) -> tuple[int, bytes]:
    """Split a payload into schema id and Avro body.

    Raises:
        NotConfluentFramed: too short, or the first byte is not zero.
    """
    if len(payload) < HEADER_BYTES or payload[:1] != MAGIC:
        raise NotConfluentFramed(f"{len(payload)} bytes, beginning {payload[:5].hex() or 'with nothing'}")
    return int.from_bytes(payload[1:5], "big"), payload[5:]


@dataclass(frozen=True)
class Encoder:
    """Writes records of one schema under the id that the registry gave it."""

    name: str
    schema_id: int

    def __call__(self, record: Record) -> bytes:
        """Return the framed bytes of a record.

        Raises:
            ValueError, TypeError: the record does not fit the schema.
        """
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, schema(self.name), record)
        return frame(self.schema_id, buffer.getvalue())


class Decoder:
    """Reads framed records of any writer's schema as records of ours.

    `fetch` gives the text of a schema by id; each id is asked for once. An id that the fetch does not know is asked for
    again, since it may be registered a moment later.
    """

    def __init__(self, name: str, fetch: Callable[[int], str]) -> None:
        self._reader = schema(name)
        self._fetch = fetch
        self._writers: dict[int, Any] = {}

    def __call__(self, payload: bytes) -> Record:
        """Return the record, timestamps in milliseconds since the epoch.

        Raises:
            NotConfluentFramed: there is no header.
            UnreadableRecord: the schema is not Avro, or the body is cut short, has bytes left over, or does not fit.
            Whatever `fetch` raises for an id.
        """
        schema_id, body = unframe(payload)
        writer = self._writers.get(schema_id) or self._writer(schema_id)
        buffer = io.BytesIO(body)
        try:
            record = fastavro.schemaless_reader(buffer, writer, self._reader)
        except Exception as error:  # noqa: BLE001 - fastavro raises whatever its C code stumbles on
            raise UnreadableRecord(f"{type(error).__name__}: {error}") from None
        if buffer.tell() != len(body):
            raise UnreadableRecord(f"{len(body) - buffer.tell()} bytes are left over")
        return record  # type: ignore[return-value]

    def _writer(self, schema_id: int) -> Any:
        text = self._fetch(schema_id)
        try:
            parsed = parse(text)
        except Exception as error:  # noqa: BLE001 - a schema of another kind breaks JSON, ours or fastavro's reading
            raise UnreadableRecord(f"schema {schema_id} is not Avro: {type(error).__name__}: {error}") from None
        self._writers[schema_id] = parsed
        return parsed
