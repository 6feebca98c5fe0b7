"""Lists as they stand in Redis: one JSON value each, its version first, replaced only by one at least as new."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

from freshet.udfs.redis_pipe import RedisPipe, Script
from freshet.udfs.versions import Version, Written


class Because(NamedTuple):
    """What a candidate source found an item by; `items` are ids, the strongest first."""

    kind: str
    items: tuple[str, ...]
    text: str
    strength: float

    def record(self) -> dict[str, Any]:
        """Return it as a record of `recommendations`; it is made for every place of a list, so without `_asdict`."""
        return {"kind": self.kind, "items": self.items, "text": self.text, "strength": self.strength}


class ListedItem(NamedTuple):
    """One place of a list.

    Attributes:
        item_id: the item.
        score: what it was ranked by.
        source: the candidate source that proposed it.
        reason: a sentence for a person.
        evidence: what the source found it by.
        contributions: (feature, what it added to the score), the largest first.
        moves: the rules of re-ranking that moved it, in order.
        price: what it costs, None where the catalogue does not say.
        promotion: the promotion that it is in, None where it is in none.
    """

    item_id: str
    score: float
    source: str
    reason: str
    evidence: Because | None = None
    contributions: tuple[tuple[str, float], ...] = ()
    moves: tuple[str, ...] = ()
    price: float | None = None
    promotion: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the place as a record of `recommendations`."""
        return {
            "item_id": self.item_id,
            "score": self.score,
            "source": self.source,
            "reason": self.reason,
            "evidence": self.evidence and self.evidence.record(),
            "contributions": [{"feature": feature, "value": value} for feature, value in self.contributions],
            "moves": self.moves,
            "price": self.price,
            "promotion": self.promotion,
        }


@dataclass(frozen=True)
class Places:
    """The places of a list: the items, and all of it as the JSON array that is stored."""

    items: tuple[str, ...]
    json: bytes

    @classmethod
    def of(cls, listed: Iterable[ListedItem]) -> "Places":
        """Return these places."""
        listed = list(listed)
        return cls(tuple(one.item_id for one in listed), orjson.dumps([one.record() for one in listed]))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.items)


class Intervention(NamedTuple):
    """What a rule asks the front end to do, until a time in milliseconds, and the item that the rule fired for."""

    name: str
    rule: str
    item_id: str | None
    until: int


@dataclass(frozen=True)
class TopList:
    """A list. Times in milliseconds; `version` and `as_of` are those of the features behind it."""

    placement: str
    subject: str
    places: Places
    model_version: str
    tier: str
    version: Version
    computed_at: int
    event_id: str
    arm: str = "control"
    config_version: str = ""
    intervention: Intervention | None = None

    def record(self) -> dict[str, Any]:
        """Return the list as a record of `recommendations`."""
        record: dict[str, Any] = orjson.loads(self.json)
        return record

    @cached_property
    def json(self) -> bytes:
        """The value that is stored; the version stands first, where the store looks for it."""
        head = {"version": str(self.version), "placement": self.placement, "subject": self.subject}
        tail = {
            "model_version": self.model_version,
            "config_version": self.config_version,
            "arm": self.arm,
            "tier": self.tier,
            "as_of": self.version.as_of,
            "computed_at": self.computed_at,
            "event_id": self.event_id,
            "intervention": self.intervention and self.intervention._asdict(),
        }
        return b'%b,"items":%b,%b' % (orjson.dumps(head)[:-1], self.places.json, orjson.dumps(tail)[1:])


class ListWriter:
    """Writes lists under the rule of versions."""

    SCRIPT = Script(files("freshet.udfs").joinpath("write_lists.lua").read_text("utf-8"))

    def __init__(self, pipe: RedisPipe) -> None:
        self._pipe = pipe

    def write(self, lists: Sequence[tuple[str, TopList]], ttl_seconds: int) -> Written:
        """Write (key, list) pairs and return once the server has answered.

        Raises:
            redis.RedisError: some may not be written; the same call can be made again.
        """
        if not lists:
            return Written(0, 0)
        arguments: list[Any] = []
        for _, one in lists:
            arguments += (one.version.as_of, one.version.sequence, ttl_seconds, one.json)
        (answers,) = self._pipe.run_script(self.SCRIPT, [([key.encode() for key, _ in lists], arguments)])
        return Written(sum(answers), len(lists) - sum(answers))
