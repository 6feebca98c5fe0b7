"""The rules that act for users now, as they stand in Redis: one hash a user, a field a rule, gone when the last is over."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import orjson

from freshet.schemas.keys import Rules
from freshet.udfs.redis_pipe import Call, RedisPipe, Script
from freshet.udfs.triggers import Trigger
from freshet.udfs.versions import Written

Active = tuple[Trigger, ...]


class ActiveRules:
    """Writes triggers under the rule that the one that fired last stands, and reads those of many users in one command."""

    WRITE = Script(files("freshet.udfs").joinpath("write_rules.lua").read_text("utf-8"))
    READ = Script(files("freshet.udfs").joinpath("read_rules.lua").read_text("utf-8"))

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

    def reading(self, subjects: Sequence[str]) -> Call:
        """Return the call whose answer `found_in` reads, to be sent along with others."""
        return Call(self.READ, [_key(subject) for subject in subjects], ())

    def found_in(self, answer: Sequence[Sequence[Any]], users: int, now_ms: int) -> list[Active]:
        """Return the rules that act now for each of so many users, those that fired last in front."""
        found: list[Active] = [()] * users
        for at, *triggers in answer:
            acting = (one for one in map(_trigger, triggers) if one.until > now_ms)
            found[at] = tuple(sorted(acting, key=lambda one: (-one.since, one.rule)))
        return found


def _key(subject: str) -> bytes:
    return Rules(subject).encode().encode()


def _trigger(value: bytes) -> Trigger:
    told = orjson.loads(value)
    return Trigger(**{name: told.get(name) for name in Trigger._fields})
