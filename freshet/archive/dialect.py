"""The SQL of the views, which is Flink's, as DuckDB runs it.

The two agree on what views are made of: `CASE`, `MOD`, `TRY_CAST`, `context['geo']`, which gives a value or null. What they
do not agree on is settled here: how names are quoted, what `/` makes of whole numbers, and the function `ITEM_VECTOR`.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from freshet.errors import FreshetError
from freshet.udfs.view_sql import ITEM_VECTOR

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TOKEN = re.compile(r"'(?:[^']|'')*'|`[^`]*`")
"""A text, which stays as it is, or a quoted name."""

VECTORS = "item_vectors"
VECTORS_FORMAT = '{"item_id": "a", "vector": [0.5, -1]}'


def duck(sql: str) -> str:
    """Return an expression of Flink SQL as DuckDB reads it: names are quoted in another way.

    >>> duck("CASE WHEN `value` > 1 THEN '`' END")
    'CASE WHEN "value" > 1 THEN \\'`\\' END'
    """
    return TOKEN.sub(lambda token: token[0] if token[0][0] == "'" else f'"{token[0][1:-1]}"', sql)


def session(item_vectors: Path | None = None) -> "DuckDBPyConnection":
    """Return a connection that means by an expression what Flink means by it.

    Args:
        item_vectors: the file behind `ITEM_VECTOR`; None where no view asks for it.

    Raises:
        FreshetError: the file cannot be used.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET integer_division = true")
    if item_vectors is not None:
        load_vectors(connection, item_vectors)
    return connection


def load_vectors(connection: "DuckDBPyConnection", path: Path) -> None:
    """Read the vectors of items, and make `ITEM_VECTOR` look them up.

    The names of the table's columns are such that no expression of a view can mean them.

    Raises:
        FreshetError: there is no such file, or a line of it is not what it should be.
    """
    import duckdb

    quoted = str(path).replace("'", "''")
    columns = "{item_id: 'VARCHAR', vector: 'DOUBLE[]'}"
    connection.execute(f"CREATE TABLE {VECTORS} (_vector_of VARCHAR PRIMARY KEY, _vector DOUBLE[] NOT NULL)")
    try:
        connection.execute(
            f"INSERT INTO {VECTORS} SELECT item_id, vector FROM "
            f"read_json('{quoted}', format = 'newline_delimited', columns = {columns})"
        )
    except duckdb.Error as error:
        text = f"The item vectors {path} cannot be read ({str(error).splitlines()[0]})"
        raise FreshetError(f"{text}: a line an item, each once, such as {VECTORS_FORMAT}.") from None
    lengths = connection.execute(f"SELECT DISTINCT len(list_filter(_vector, x -> x IS NOT NULL)) FROM {VECTORS}")
    if len(lengths.fetchall()) != 1:
        raise FreshetError(f"The item vectors {path} must all have as many numbers, and there must be one.")
    connection.execute(f"CREATE MACRO {ITEM_VECTOR}(item) AS (SELECT _vector FROM {VECTORS} WHERE _vector_of = item)")
