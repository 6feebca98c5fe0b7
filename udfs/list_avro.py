"""Lists as records of `recommendations` in Avro's binary form: what fastavro writes, byte for byte, several times faster.

fastavro asks of every value what it is, and of every optional one which branch fits; here the schema is known. Most texts of
a list (items, sources, reasons, features) come again in the next one, so their bytes are kept.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache

from freshet.schemas.avro import frame
from freshet.udfs.top_n import Intervention, ListedItem, TopList

KEPT_TEXTS = 1 << 16

_double = struct.Struct("<d").pack
_END = _NONE = b"\x00"  # the end of an array, and the first branch of a union: null
_SOME = b"\x02"  # the second branch
_SHORT = tuple(bytes((number,)) for number in range(0x80))


def long(value: int) -> bytes:
    """Return a long: zigzag, then seven bits a byte, the low ones first.

    >>> long(0), long(-1), long(64).hex()
    (b'\\x00', b'\\x01', '8001')
    """
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    if rest < len(_SHORT):
        return _SHORT[rest]
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def text(value: str) -> bytes:
    """Return a string: its length in bytes, then UTF-8.

    >>> text("tea")
    b'\\x06tea'
    """
    data = value.encode()
    return long(len(data)) + data


kept_text = lru_cache(KEPT_TEXTS)(text)


def encode_list(schema_id: int, one: TopList) -> bytes:
    """Return a list as it travels on `recommendations`: Confluent's header, then the record.

    `tests/unit/udfs/test_list_avro.py` holds it to the schema.
    """
    version, asked = one.version, one.intervention
    parts = [
        kept_text(one.placement),
        text(one.subject),
        _items(one.items),
        kept_text(one.model_version),
        kept_text(one.config_version),
        kept_text(one.arm),
        kept_text(one.tier),
        long(version.as_of),
        long(one.computed_at),
        text(str(version)),
        text(one.event_id),
        _intervention(asked) if asked else _NONE,
    ]
    return frame(schema_id, b"".join(parts))


def _items(items: Sequence[ListedItem]) -> bytes:
    parts: list[bytes] = []
    for item_id, score, source, reason, evidence, contributions, moves, price, promotion in items:
        parts += (
            kept_text(item_id),
            _double(score),
            kept_text(source),
            kept_text(reason),
            _found_by(evidence[:3]) + _double(evidence[3]) if evidence else _NONE,
            _array([kept_text(feature) + _double(value) for feature, value in contributions]),
            _texts(moves),
            _NONE if price is None else _SOME + _double(price),
            _NONE if promotion is None else _SOME + kept_text(promotion),
        )
    return _array(parts, len(items))


def _array(parts: Sequence[bytes], count: int | None = None) -> bytes:
    """Return an array of values that are encoded already, one a part unless a count says otherwise."""
    return long(len(parts) if count is None else count) + b"".join(parts) + _END if parts else _END


@lru_cache(KEPT_TEXTS)
def _found_by(one: tuple[str, tuple[str, ...], str]) -> bytes:
    """Return evidence but for its strength: what an item was found by comes again far more often than how strongly."""
    kind, items, words = one
    return _SOME + kept_text(kind) + _texts(items) + kept_text(words)


@lru_cache(KEPT_TEXTS)
def _texts(several: tuple[str, ...]) -> bytes:
    return _array([kept_text(one) for one in several])


def _intervention(one: Intervention) -> bytes:
    item = _NONE if one.item_id is None else _SOME + text(one.item_id)
    return _SOME + kept_text(one.name) + kept_text(one.rule) + item + long(one.until)
