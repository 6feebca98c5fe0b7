"""What the keyed half of the features job writes on the Flink of the tests, and what a training set of the same events has."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from builders import Record
from freshet.archive.write import SCHEMA, Files, Filling
from freshet.history import TIMESTAMP, training_set
from freshet.udfs.engine_spec import EngineConfig, engine_spec
from freshet.udfs.feast_layout import version_field
from freshet.udfs.view_sql import EVENT_COLUMNS, brought_query, unique_events
from freshet.udfs.views import View

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Written = dict[bytes, list[tuple[int, int, list[Any]]]]
"""For each entity, in the order of writing: the instant, how many events it has had, and its features."""


def computed_by_flink(local: Any, jvm: Any, events: list[Record], views: tuple[View, ...]) -> dict[str, Written]:
    """Run the engine as the features job does, without the store, and return what would be written of each entity."""
    from pyflink.table import Table

    local.table("arrived", EVENT_COLUMNS, [[event.get(name) for name in EVENT_COLUMNS] for event in events])
    local.view("events", "SELECT *, PROCTIME() AS pt FROM arrived")
    local.view("unique_events", unique_events("events"))
    brought = local.env.sql_query(brought_query(views, "unique_events"))
    spec = engine_spec(views, EngineConfig("redis://nowhere", "shop", 1, 2, 0))
    engine = jvm.freshet.features.FeatureJob
    local.env.create_temporary_view(
        "written", Table(engine.values(local.env._j_tenv, brought._j_table, spec), local.env)
    )
    written: dict[str, Written] = defaultdict(lambda: defaultdict(list))
    for key, as_of, version, values in local.rows("SELECT `key`, as_of, version, `values` FROM written"):
        name = next(view.name for view in views if bytes(key).startswith(version_field(view.name)))
        entity = bytes(key)[len(version_field(name)) :]
        written[name][entity].append((as_of, version, [value_of(value) for value in apart(bytes(values))]))
    return written


def apart(values: bytes) -> Iterator[bytes]:
    """Yield each value of a row."""
    at = 0
    while at < len(values):
        length = int.from_bytes(values[at : at + 4], "big")
        yield values[at + 4 : at + 4 + length]
        at += 4 + length


def value_of(proto: bytes) -> Any:
    """Return what Feast's own class reads of a value."""
    from feast.protos.feast.types.Value_pb2 import Value

    value = Value.FromString(proto)
    kind = value.WhichOneof("val")
    found: Any = getattr(value, kind) if kind else None
    return list(found.val) if kind and kind.endswith("list_val") else found


def archived(folder: Path, events: list[Record]) -> None:
    """Write events to the files of an archive."""
    filling = Filling(partition=0, block=0)
    for offset, event in enumerate(events):
        filling.add(dict.fromkeys(SCHEMA.names) | event, offset)
    filling.write(Files(str(folder)))


def in_history(archive: "DuckDBPyConnection", view: View, rows: list[tuple[tuple[str, ...], int]]) -> list[list[Any]]:
    """Return a view's features for keys and instants, as a training set has them."""
    asked = pd.DataFrame([key for key, _ in rows], columns=list(view.keys))
    asked[TIMESTAMP] = pd.to_datetime([instant for _, instant in rows], unit="ms", utc=True)
    found = training_set(archive, [view], asked).to_dict("records")
    return [[row[feature.name] for feature in view.features] for row in found]


def about(value: Any) -> Any:
    """Return what equals a value but for rounding: sums may be added up in any order."""
    if isinstance(value, (list, tuple)):
        return [about(one) for one in value]
    return pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
