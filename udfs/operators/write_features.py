"""The feature writer as a Flink function: one Arrow batch is one round trip to the online store.

A bundle ends before a checkpoint's barrier passes, so what a checkpoint covers has been written.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import ScalarFunction, udf

from freshet.schemas.avro import Encoder
from freshet.schemas.topics import FEATURE_UPDATES
from freshet.udfs.feast_layout import unpack_row
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.views import View
from freshet.udfs.write_features import Values, Version, ViewWriter, Written

EVENT_ARGUMENTS = ("event_id", "subject", "item_id", "event_type", "event_time", "category")


@dataclass(frozen=True)
class WriterConfig:
    """What a worker needs."""

    redis_url: str
    project: str
    update_schema_id: int
    views: tuple[View, ...]
    subject_view: str

    @property
    def key_ttl_seconds(self) -> int:
        """Lifetime of an entity's hash: Feast keeps one for all views of an entity, so the longest; 0 is for ever."""
        lifetimes = [view.ttl_seconds for view in self.views]
        return max(lifetimes) if all(lifetimes) else 0


class WriteFeatures(ScalarFunction):  # type: ignore[misc]
    """(event columns, then the packed row of each view) -> bytes for `feature-updates`, or null.

    Null where a later event of the same subject in the batch speaks for this one too.
    """

    def __init__(self, config: WriterConfig) -> None:
        self._config = config

    def is_deterministic(self) -> bool:
        """Say no, so that the planner calls it once a row: it writes."""
        return False

    def open(self, function_context: Any) -> None:
        """Connect and prepare what does not change from event to event."""
        config = self._config
        pipe = RedisPipe(config.redis_url)
        self._writers = [ViewWriter(view, config.project, config.key_ttl_seconds, pipe) for view in config.views]
        self._encode = Encoder(FEATURE_UPDATES, config.update_schema_id)
        self._view_names = [view.name for view in config.views]
        self._keys = [[EVENT_ARGUMENTS.index(key) for key in view.keys] for view in config.views]
        self._subject_at = self._view_names.index(config.subject_view)
        metrics = function_context.get_metric_group().add_group("freshet")
        self._accepted = metrics.counter("feature_writes")
        self._refused = metrics.counter("feature_writes_refused")

    def eval(self, *columns: "pd.Series[Any]") -> "pd.Series[Any]":
        """Write one batch."""
        lists = [column.tolist() for column in columns]
        events = lists[: len(EVENT_ARGUMENTS)]
        batches = self._batches(events, lists[len(EVENT_ARGUMENTS) :])
        written = Written(0, 0)
        for writer, batch in zip(self._writers, batches, strict=True):
            written += writer.write(values for values in batch if None not in values.key)
        self._accepted.inc(written.accepted)
        self._refused.inc(written.refused)
        return pd.Series(self._updates(events, batches[self._subject_at]), dtype=object)

    def _batches(self, events: Sequence[list[Any]], columns: Sequence[list[bytes]]) -> list[list[Values]]:
        batches = []
        for key_columns, rows in zip(self._keys, columns, strict=True):
            keys = zip(*(events[column] for column in key_columns), strict=True)
            batches.append([_values(key, row) for key, row in zip(keys, rows, strict=True)])
        return batches

    def _updates(self, events: Sequence[list[Any]], subjects: Sequence[Values]) -> list[bytes | None]:
        last: dict[str, int] = {}
        for at, values in enumerate(subjects):
            best = last.get(values.key[0])
            if best is None or values.version >= subjects[best].version:
                last[values.key[0]] = at
        now = time.time_ns() // 1_000_000
        announced = set(last.values())
        rows = zip(*events, strict=True)
        return [
            self._update(row, subjects[at].version, now) if at in announced else None for at, row in enumerate(rows)
        ]

    def _update(self, event: Sequence[Any], version: Version, now: int) -> bytes:
        return self._encode(
            dict(zip(EVENT_ARGUMENTS, event, strict=True))
            | {"as_of": version.as_of, "version": version.sequence, "views": self._view_names, "written_at": now}
        )


def _values(key: tuple[Any, ...], row: bytes) -> Values:
    version, as_of, features = unpack_row(row)
    return Values(key, Version(as_of, version), features)


def write_features_udf(config: WriterConfig) -> Any:
    """Return the function for `create_temporary_function`."""
    return udf(WriteFeatures(config), result_type=DataTypes.BYTES(), func_type="pandas")
