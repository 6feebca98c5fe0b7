"""A writer of features in Python, for tests: the same script on the server as the engine's, the same layout."""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from freshet.udfs.feast_layout import EntityKeys, field_name, timestamp, timestamp_field, version_field
from freshet.udfs.redis_pipe import RedisPipe, Script
from freshet.udfs.versions import Version, Written
from freshet.udfs.views import View

ENTITIES_A_CALL = 64  # enough to share the cost of a call, few enough that the server soon turns to its readers


class Values(NamedTuple):
    """The features of one entity: its key values in the view's order, and for each feature an encoded ValueProto."""

    key: tuple[str, ...]
    version: Version
    features: Sequence[bytes]


def newest(batch: Iterable[Values]) -> list[Values]:
    """Return the newest values of each entity: what the others would have written, it writes over."""
    kept: dict[tuple[str, ...], Values] = {}
    for values in batch:
        standing = kept.get(values.key)
        if standing is None or values.version >= standing.version:
            kept[values.key] = values
    return list(kept.values())


class ViewWriter:
    """Writes one view's values.

    The version check and the write are one script on the server, so a replay changes nothing and a writer that was
    thought dead cannot put old values over new ones.
    """

    SCRIPT = Script(files("freshet.udfs").joinpath("write_features.lua").read_text("utf-8"))

    def __init__(self, view: View, project: str, key_ttl_seconds: int, pipe: RedisPipe) -> None:
        self._key_of = EntityKeys(project, view.keys)
        self._ttl = key_ttl_seconds
        self._pipe = pipe
        self._version = version_field(view.name)
        self._timestamp = timestamp_field(view.name)
        self._fields = [field_name(view.name, one.name) for one in view.features]
        self._count = 2 * (len(view.features) + 1)

    def write(self, batch: Iterable[Values]) -> Written:
        """Write a batch and return once the server has answered for all of it.

        Raises:
            redis.RedisError: some of it may not be written; the same batch can be written again.
        """
        entities = newest(batch)
        parts = [entities[at : at + ENTITIES_A_CALL] for at in range(0, len(entities), ENTITIES_A_CALL)]
        answers = self._pipe.run_script(self.SCRIPT, [self._call(part) for part in parts])
        accepted = sum(sum(answer) for answer in answers)
        return Written(accepted, len(entities) - accepted)

    def _call(self, entities: Sequence[Values]) -> tuple[list[bytes], list[Any]]:
        arguments: list[Any] = [self._ttl]
        for values in entities:
            arguments += self._arguments(values)
        return [self._key_of(values.key) for values in entities], arguments

    def _arguments(self, values: Values) -> list[Any]:
        as_of, sequence = values.version
        arguments: list[Any] = [self._version, as_of, sequence, self._count, self._timestamp, timestamp(as_of)]
        for field, value in zip(self._fields, values.features, strict=True):
            arguments += (field, value)
        return arguments
