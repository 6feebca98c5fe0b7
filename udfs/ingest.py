"""One record of `interactions`: to the bytes of a clean one, or to the bytes of a refusal."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from freshet.schemas.avro import Decoder, Encoder, NotConfluentFramed, Record, UnreadableRecord
from freshet.schemas.registry import SchemaNotFound
from freshet.udfs import rejections
from freshet.udfs.catalogue import Catalogue
from freshet.udfs.clean import Position, clean, validate
from freshet.udfs.pseudonym import subject_of
from freshet.udfs.rejections import Rejected

SUBJECTS_REMEMBERED = 100_000


@dataclass(frozen=True)
class Raw:
    """A record as Kafka holds it."""

    payload: bytes | None
    key: bytes | None
    at: Position
    record_time: int


@dataclass(frozen=True)
class Outcome:
    """What became of it: the subject, when it is clean, and the framed bytes for its topic."""

    subject: str | None
    value: bytes


class Ingest:
    """Decode, validate, replace the user by a subject, place the item.

    `registry` failures other than an unknown schema are raised: the event may be good, so it must wait, not be refused.
    """

    def __init__(
        self,
        decode: Decoder,
        encode_clean: Encoder,
        encode_rejected: Encoder,
        catalogue: Catalogue,
        key: bytes,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._decode = decode
        self._encode_clean = encode_clean
        self._encode_rejected = encode_rejected
        self._catalogue = catalogue
        self._now_ms = now_ms
        self._subject_of = lru_cache(maxsize=SUBJECTS_REMEMBERED)(lambda user_id: subject_of(user_id, key))

    def __call__(self, raw: Raw) -> Outcome:
        """Return the clean event or the refusal; every byte string has one of the two."""
        try:
            record = self._read(raw.payload)
            validate(record, self._now_ms())
            subject = self._subject_of(record["user_id"])
            place = self._catalogue.place_of(record["item_id"])
            return Outcome(subject, self._encode_clean(clean(record, subject, place, raw.at)))
        except Rejected as refusal:
            return Outcome(None, self._encode_rejected(_rejected(raw, refusal)))

    def _read(self, payload: bytes | None) -> Record:
        if not payload:
            raise Rejected(rejections.NULL_PAYLOAD, "the record has no value")
        try:
            return self._decode(payload)
        except NotConfluentFramed as error:
            raise Rejected(rejections.NOT_FRAMED, f"no schema id in front: {error}") from None
        except SchemaNotFound as error:
            raise Rejected(rejections.UNKNOWN_SCHEMA, str(error)) from None
        except UnreadableRecord as error:
            raise Rejected(rejections.UNREADABLE, str(error)) from None


def _rejected(raw: Raw, refusal: Rejected) -> Record:
    return {
        "reason": refusal.reason,
        "detail": str(refusal),
        "key": raw.key,
        "payload": raw.payload,
        "topic": raw.at.topic,
        "partition": raw.at.partition,
        "offset": raw.at.offset,
        "record_time": raw.record_time,
    }
