"""Whether the online store holds what the archive says it should: samples of keys, compared feature by feature."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd

from freshet.history import TIMESTAMP, History, happened, training_set
from freshet.udfs.feast_layout import EntityKeys
from freshet.udfs.read_features import FeatureReader, Reading
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.views import View

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TOLERANCE = 1e-9  # sums are added up in another order
SEED = 7

Key = tuple[str, ...]


@dataclass
class Findings:
    """What was found of one view: numbers of entities, and for each feature how many values differ."""

    view: str
    sampled: int = 0
    compared: int = 0
    moving: int = 0
    """Their latest events are in one place and not yet in the other."""
    missing: int = 0
    """In the archive and not in the store."""
    extra: int = 0
    """In the store and not in the archive."""
    different: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing is wrong."""
        return not (self.missing or self.extra or any(self.different.values()))

    def rates(self) -> dict[str, float]:
        """Return the share of the compared values that differ, by feature."""
        return {name: count / self.compared if self.compared else 0.0 for name, count in self.different.items()}


class Checker:
    """Compares an archive with a store."""

    def __init__(self, archive: "DuckDBPyConnection", pipe: RedisPipe, project: str, sample: int) -> None:
        self._archive = archive
        self._pipe = pipe
        self._project = project
        self._sample = sample

    def check(self, view: View) -> Findings:
        """Return what is found of a view.

        Raises:
            redis.RedisError: the store did not answer.
        """
        found = Findings(view.name, different=dict.fromkeys([feature.name for feature in view.features], 0))
        counts = self._archived(view)
        found.sampled = len(counts)
        names = [feature.name for feature in view.features]
        reader = FeatureReader(self._pipe, self._project, view.name, view.keys, names)
        settled: dict[Key, Reading] = {}
        for key, reading in zip(counts, reader.read(list(counts)), strict=True):
            if reading.as_of is None:
                found.missing += 1
                found.examples.append(f"{', '.join(key)} is not in the store")
            elif not (reading.version or "").endswith(f"-{counts[key]}"):
                found.moving += 1
            else:
                settled[key] = reading
        self._compare(view, settled, found)
        found.extra = self._extra(view, reader)
        return found

    def _archived(self, view: View) -> dict[Key, int]:
        """Return some keys of the archive and how many events they have."""
        keys = ", ".join(f'CAST("{key}" AS VARCHAR)' for key in view.keys)
        there = " AND ".join(f'"{key}" IS NOT NULL' for key in view.keys)
        query = f"""SELECT * FROM (SELECT {keys}, count(*) FROM {happened(view)} WHERE {there} GROUP BY {keys})
USING SAMPLE reservoir({self._sample} ROWS) REPEATABLE ({SEED})"""
        return {tuple(map(str, row[:-1])): int(row[-1]) for row in self._archive.execute(query).fetchall()}

    def _compare(self, view: View, settled: Mapping[Key, Reading], found: Findings) -> None:
        if not settled:
            return
        rows = pd.DataFrame(list(settled), columns=list(view.keys))
        instants = [reading.as_of or 0 for reading in settled.values()]
        rows[TIMESTAMP] = pd.to_datetime(instants, unit="ms", utc=True)
        # The store's values are those of the instant that it tells. In a replay that need not be one at which the events,
        # put in order, would have made a window end.
        right = training_set(self._archive, [view], rows, take=History.at).to_dict("records")
        found.compared = len(settled)
        for (key, reading), row in zip(settled.items(), right, strict=True):
            for feature, value in zip(view.features, reading.values, strict=True):
                if not is_same(value, row[feature.name]):
                    found.different[feature.name] += 1
                    found.examples.append(f"{', '.join(key)}: {feature.name} is {value}, not {row[feature.name]}")

    def _extra(self, view: View, reader: FeatureReader) -> int:
        """Return how many of some of the store's entities have no event in the archive."""
        stored = list(islice(self._stored(view), self._sample))
        present = [key for key, reading in zip(stored, reader.read(stored), strict=True) if reading.as_of is not None]
        if not present:
            return 0
        self._archive.register("present", pd.DataFrame(present, columns=list(view.keys)))
        same = " AND ".join(f'CAST(e."{key}" AS VARCHAR) = p."{key}"' for key in view.keys)
        query = f"SELECT count(*) FROM present AS p WHERE NOT EXISTS (SELECT 1 FROM {happened(view)} AS e WHERE {same})"
        return int(self._archive.execute(query).fetchall()[0][0])

    def _stored(self, view: View) -> Iterator[Key]:
        """Yield the keys of the store's entities of this kind."""
        keys, cursor = EntityKeys(self._project, view.keys), 0
        while True:
            [(cursor, names)] = self._pipe.run([("SCAN", cursor, "COUNT", 1_000)])
            for name in names:
                if (values := keys.values_of(name)) is not None:
                    yield values
            if not (cursor := int(cursor)):
                return


def is_same(found: Any, right: Any) -> bool:
    """Compare two values; numbers to nine digits.

    >>> is_same(1.0, 1.0 + 1e-12), is_same([1.0], [2.0]), is_same(None, None)
    (True, False, True)
    """
    if isinstance(found, float) and isinstance(right, float):
        return math.isclose(found, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(found, Sequence) and isinstance(right, Sequence) and not isinstance(found, str):
        return len(found) == len(right) and all(map(is_same, found, right))
    return bool(found == right)
