"""Reads the features of a view as they are now: what the store holds, and what time has done to it since it was written."""

from collections.abc import Sequence

from freshet.udfs.read_features import Feature, FeatureReader, Reading
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.time_passed import value_now
from freshet.udfs.views import Aggregation, View


class LiveReader:
    """Reads all features of one view, many entities a round trip: decay goes on, and a window that is over is empty."""

    def __init__(self, pipe: RedisPipe, project: str, view: View) -> None:
        self._features = view.features
        self._reader = FeatureReader(pipe, project, view.name, view.keys, [feature.name for feature in view.features])

    def read(self, entities: Sequence[Sequence[str]], now: int) -> list[Reading]:
        """Return a reading for each entity, as of `now` in ms, or as of a later instant that the store holds already.

        Raises:
            redis.RedisError: the store did not answer.
        """
        return [reading_now(self._features, reading, now) for reading in self._reader.read(entities)]


def reading_now(features: Sequence[Aggregation], reading: Reading, now: int) -> Reading:
    """Return what a reading has become by `now`, in ms; one that nobody wrote, or a newer one, stays as it is.

    >>> an_hour = Aggregation("f", "ewma", "event_id", "Float64", window_ms=3_600_000)
    >>> reading_now([an_hour], Reading(0, "0-1", (8.0,)), now=7_200_000)
    Reading(as_of=7200000, version='0-1', values=(2.0,))
    """
    if reading.as_of is None or reading.as_of >= now:
        return reading
    pairs = zip(features, reading.values, strict=True)
    values: tuple[Feature, ...] = tuple(value_now(feature, value, reading.as_of, now) for feature, value in pairs)
    return Reading(now, reading.version, values)
