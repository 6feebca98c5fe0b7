"""Training sets: what a reader of the online store would have read at each of some instants.

The same definitions, the same SQL expressions, and the specification of each aggregate in Python, over the archive instead
of the stream. For a row of keys and a time T only events up to T count. As the engine does, the value is that of the latest
event, or of the latest instant at which a window or session was over; then what time has done since is applied.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from freshet.archive.dialect import duck
from freshet.archive.read import EVENTS
from freshet.errors import FreshetError
from freshet.udfs.aggregates.aggregate import Event
from freshet.udfs.aggregates.declared import aggregate_of
from freshet.udfs.time_passed import value_now
from freshet.udfs.view_sql import EVENT_COLUMNS, brought, derived_from
from freshet.udfs.views import View

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TIMESTAMP = "event_timestamp"  # Feast's name for the instant of a row
SOURCE = f"(SELECT {', '.join(EVENT_COLUMNS)} FROM {EVENTS})"  # a view may derive what else the archive's rows hold

Key = tuple[str, ...]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Happened:
    """An event of one key: its time, its place among those of that time, and what it brings to each feature."""

    time: int
    position: int
    brings: tuple[Any, ...]


class History:
    """One entity of a view, led through time."""

    def __init__(self, view: View) -> None:
        self._features = view.features
        self._aggregates = [aggregate_of(feature) for feature in view.features]
        self._states = [aggregate.zero() for aggregate in self._aggregates]
        self.as_of: int | None = None

    def add(self, event: Happened) -> None:
        """Take in an event that is not older than any before."""
        self.pass_to(event.time)
        self.as_of = event.time
        for at, (aggregate, value) in enumerate(zip(self._aggregates, event.brings, strict=True)):
            self._states[at] = aggregate.add(self._states[at], Event(event.time, value, event.position))

    def pass_to(self, instant: int) -> None:
        """Let time pass: stop at the last instant up to then at which a window or session was over."""
        while (over := self._next_expiry()) is not None and over <= instant:
            self.as_of = over

    def _next_expiry(self) -> int | None:
        if self.as_of is None:
            return None
        pairs = zip(self._aggregates, self._states, strict=True)
        found = [aggregate.expiry(state, self.as_of) for aggregate, state in pairs]
        return min((one for one in found if one is not None), default=None)

    def read(self, instant: int) -> list[Any]:
        """Return what a reader would have read; nulls before the first event."""
        self.pass_to(instant)
        if self.as_of is None:
            return [None] * len(self._features)
        parts = zip(self._features, self._aggregates, self._states, strict=True)
        return [
            value_now(feature, plain(aggregate.result(state, self.as_of)), self.as_of, instant)
            for feature, aggregate, state in parts
        ]

    def at(self, instant: int) -> list[Any]:
        """Return the values as of an instant itself, wherever time last stopped; nulls before the first event."""
        if self.as_of is None:
            return [None] * len(self._features)
        pairs = zip(self._aggregates, self._states, strict=True)
        return [plain(aggregate.result(state, instant)) for aggregate, state in pairs]


def plain(value: Any) -> Any:
    """Return a list where the specification gives a tuple."""
    return list(value) if isinstance(value, tuple) else value


def training_set(
    archive: "DuckDBPyConnection",
    views: Sequence[View],
    rows: pd.DataFrame,
    progress: Progress = lambda count: None,
    take: Callable[[History, int], list[Any]] = History.read,
) -> pd.DataFrame:
    """Return the rows with the features of all views that their columns are keys of, in their own order.

    Args:
        archive: has the view `events`.
        views: those whose keys are no columns of `rows` are left out.
        rows: keys as texts, and `event_timestamp` as timestamps with a time zone.
        progress: called with how many entities were led through time.
        take: what is taken of an entity at an instant: what a reader would have read, or the values of the instant itself.

    Raises:
        FreshetError: there is no `event_timestamp`, or no view has its keys in the rows.
    """
    if TIMESTAMP not in rows:
        raise FreshetError(f"The rows have no column {TIMESTAMP}.")
    wanted = [view for view in views if set(view.keys) <= set(rows.columns)]
    if not wanted:
        raise FreshetError(f"No view has its keys among the columns {', '.join(map(str, rows.columns))}.")
    instants = pd.to_datetime(rows[TIMESTAMP], utc=True).astype("int64") // 1_000_000
    columns: dict[str, list[Any]] = {}
    done = 0
    for view in wanted:
        values: list[list[Any]] = [[None] * len(view.features) for _ in range(len(rows))]
        asked = asked_of(view, rows, list(instants))
        for key, events in events_of(archive, view, asked):
            for row, found in lead(History(view), events, asked[key], take):
                values[row] = found
            done += 1
            progress(done)
        for at, feature in enumerate(view.features):
            columns[feature.name] = [found[at] for found in values]
    added = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in columns.items()})
    return pd.concat([rows.reset_index(drop=True), added], axis=1)


def asked_of(view: View, rows: pd.DataFrame, instants: Sequence[int]) -> dict[Key, list[tuple[int, int]]]:
    """Return for each key the instants that are asked for and their rows, earliest first."""
    asked: dict[Key, list[tuple[int, int]]] = {}
    keys = zip(*(rows[name] for name in view.keys), strict=True)
    for row, (key, instant) in enumerate(zip(keys, instants, strict=True)):
        asked.setdefault(tuple(map(str, key)), []).append((int(instant), row))
    return {key: sorted(pairs) for key, pairs in asked.items()}


def lead(
    history: History,
    events: Iterable[Happened],
    asked: Sequence[tuple[int, int]],
    take: Callable[[History, int], list[Any]] = History.read,
) -> Iterator[tuple[int, list[Any]]]:
    """Yield (row, values) at each instant; an event of the instant itself counts."""
    coming = iter(events)
    event = next(coming, None)
    for instant, row in asked:
        while event is not None and event.time <= instant:
            history.add(event)
            event = next(coming, None)
        yield row, take(history, instant)


def happened(view: View) -> str:
    """Return the archive's events with the columns that a view derives, as a source of DuckDB's SQL."""
    return duck(derived_from([view], SOURCE))


def events_of(
    archive: "DuckDBPyConnection", view: View, asked: Mapping[Key, object]
) -> Iterator[tuple[Key, Iterator[Happened]]]:
    """Yield each key that is asked for with its events, oldest first."""
    wanted = pd.DataFrame(list(asked), columns=list(view.keys))
    archive.register("wanted", wanted)
    keys = ", ".join(f'CAST(e."{name}" AS VARCHAR)' for name in view.keys)
    brings = ", ".join(duck(brought(feature)) for feature in view.features)
    same = " AND ".join(f'CAST(e."{name}" AS VARCHAR) = wanted."{name}"' for name in view.keys)
    query = f"""SELECT {keys}, event_time, source_offset, {brings}
FROM {happened(view)} AS e JOIN wanted ON {same}
ORDER BY {keys}, event_time, source_offset"""
    found = archive.execute(query)
    width = len(view.keys)

    def each() -> Iterator[tuple[Any, ...]]:
        while batch := found.fetchmany(10_000):
            yield from batch

    for key, rows in groupby(each(), key=lambda row: row[:width]):
        yield tuple(map(str, key)), (Happened(row[width], row[width + 1], tuple(row[width + 2 :])) for row in rows)
