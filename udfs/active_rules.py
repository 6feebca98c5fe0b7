"""The rules that act for users now, as they stand in Redis: one hash a user, a field a rule, gone when the last is over."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import orjson

from freshet.schemas.keys import Rules
from freshet.udfs.redis_pipe import Packed, RedisPipe, Script, for_each
from freshet.udfs.triggers import Trigger
from freshet.udfs.versions import Written

Active = tuple[Trigger, ...]


class ActiveRules:
    """Writes triggers under the rule that the one that fired last stands, and reads those of many users in one command."""

    WRITE = Script(files("freshet.udfs").joinpath("write_rules.lua").read_text("utf-8"))

    def __init__(self, pipe: RedisPipe) -> None:
        self._pipe = pipe

    def write(self, triggers: Sequence[tuple[str, Trigger]]) -> Written:
        """Write (subject, trigger) pairs and return once the server has answered.

        Raises:
            redis.RedisError: some may not be written; the same call can be made again.
        """
        if not triggers:
            return Written(0, 0)
        arguments: list[Any] = []
        for _, one in triggers:
            arguments += (one.rule, one.since, one.until, orjson.dumps(one._asdict()))
        keys = [_key(subject) for subject, _ in triggers]
        (answers,) = self._pipe.run_script(self.WRITE, [(keys, arguments)])
        return Written(sum(answers), len(triggers) - sum(answers))

    def reading(self, subjects: Sequence[str]) -> Packed:
        """Return the commands whose answers `acting` reads, to be sent along with others."""
        return for_each([b"HVALS"], [_key(subject) for subject in subjects])


def acting(triggers: Sequence[bytes], now_ms: int) -> Active:
    """Return those of a user's stored triggers that act now, those that fired last in front."""
    if not triggers:
        return ()
    found = (one for one in map(_trigger, triggers) if one.until > now_ms)
    return tuple(sorted(found, key=lambda one: (-one.since, one.rule)))


def _key(subject: str) -> bytes:
    return Rules(subject).encode().encode()


def _trigger(value: bytes) -> Trigger:
    told = orjson.loads(value)
    return Trigger(**{name: told.get(name) for name in Trigger._fields})
