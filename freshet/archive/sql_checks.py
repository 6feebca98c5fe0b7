"""Whether DuckDB can run the SQL of views: where it cannot, the stream would have features that training never sees."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from freshet.archive.dialect import VECTORS, duck, session
from freshet.archive.read import EVENTS
from freshet.errors import FreshetError
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.view_sql import EVENT_COLUMNS, brought, derived_from, needs_item_vectors
from freshet.udfs.views import Aggregation, View

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TYPES = {"MAP<STRING, STRING>": "MAP(VARCHAR, VARCHAR)"}
VECTOR = "DOUBLE[]"
WRITTEN_ALIKE = ("VARCHAR", "TINYINT", "SMALLINT", "INTEGER", "BIGINT")


def check_sql(views: Sequence[View], item_vectors: Path | None) -> None:
    """Make sure that training sets can be made of these views.

    Raises:
        FreshetError: the first reason why not.
    """
    for view in views:
        if needs_item_vectors(view) and item_vectors is None:
            raise FreshetError(
                f"View {view.name}: it asks for vectors of items; name their file by FRESHET_FEATURES__ITEM_VECTORS."
            )
    trial = no_events(item_vectors)
    for view in views:
        for problem in problems(trial, view):
            raise FreshetError(f"View {view.name}: {problem}.")


def no_events(item_vectors: Path | None) -> "DuckDBPyConnection":
    """Return a connection to try expressions on: its `events` hold one event, which has an item and nothing else."""
    trial = session(item_vectors)
    columns = ", ".join(f'"{name}" {TYPES.get(kind, kind)}' for name, kind in EVENT_COLUMNS.items())
    trial.execute(f"CREATE TABLE {EVENTS} ({columns})")
    item = f"(SELECT min(_vector_of) FROM {VECTORS})" if item_vectors else "'an item'"
    trial.execute(f"INSERT INTO {EVENTS} (item_id) SELECT {item}")
    return trial


def problems(trial: "DuckDBPyConnection", view: View) -> Iterator[str]:
    """Yield what of a view DuckDB cannot compute, its derived columns first: features stand on them."""
    for name, text in view.derived:
        if refusal := refused(trial, f"SELECT {duck(text)} FROM {EVENTS}"):
            yield f"its column {name} is nothing that DuckDB, which makes training sets, can compute: {refusal}"
            return
    source = duck(derived_from([view], EVENTS))
    for key in view.keys:
        yield from problems_of_text(trial, f"its key {key}", key, source)
    for feature in view.features:
        if refusal := refused(trial, f"SELECT {duck(brought(feature))} FROM {source}"):
            yield f"feature {feature.name}: DuckDB, which makes training sets, cannot compute it: {refusal}"
        elif FUNCTIONS[feature.function].takes == "vector":
            yield from problems_of_vector(trial, feature, source)
        elif FUNCTIONS[feature.function].takes == "text":
            yield from problems_of_text(
                trial, f"feature {feature.name}: its column {feature.column}", feature.column, source
            )


def problems_of_text(trial: "DuckDBPyConnection", what: str, column: str, source: str) -> Iterator[str]:
    """Yield why the values of a column would not be the same text in the stream and in training sets."""
    [(kind, _)] = trial.execute(f'SELECT typeof("{column}"), "{column}" FROM {source}').fetchall()
    if kind not in WRITTEN_ALIKE:
        yield f"{what} is of {kind}, which Flink and DuckDB write in different ways; make it a text or a whole number"


def problems_of_vector(trial: "DuckDBPyConnection", feature: Aggregation, source: str) -> Iterator[str]:
    """Yield why a column's values are not the vectors that a feature takes, as far as one event can show."""
    [(kind, vector)] = trial.execute(f'SELECT typeof("{feature.column}"), "{feature.column}" FROM {source}').fetchall()
    if kind != VECTOR:
        yield f"feature {feature.name}: its column {feature.column} is of {kind}; a vector is an ARRAY<DOUBLE>"
    elif vector is not None and len(vector) != feature.n:
        yield f"feature {feature.name}: its vectors have {len(vector)} numbers; say so with the tag '{feature.name}.n'"


def refused(trial: "DuckDBPyConnection", query: str) -> str:
    """Return the first sentence of DuckDB's refusal of a query; nothing if it runs it."""
    import duckdb

    try:
        trial.execute(query).fetchall()
    except duckdb.Error as error:
        return str(error).splitlines()[0].rstrip(".!")
    return ""
