"""Reads the archive with DuckDB: each event id once, as the features job counts it."""

from pathlib import Path
from typing import TYPE_CHECKING

from freshet.archive.dialect import session
from freshet.errors import FreshetError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EVENTS = "events"


def connect(path: str, item_vectors: Path | None = None) -> "DuckDBPyConnection":
    """Return a DuckDB connection with the view `events`: the archive's events, `event_time` in milliseconds.

    Raises:
        FreshetError: the archive holds no event, or the vectors of items cannot be read.
    """
    connection = session(item_vectors)
    connection.execute(f"""CREATE VIEW {EVENTS} AS
SELECT * REPLACE (epoch_ms(event_time) AS event_time)
FROM {committed(path)}
QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY clean_partition, clean_offset) = 1""")
    return connection


def committed(path: str) -> str:
    """Return the SQL of all rows of an archive, as the files hold them.

    Raises:
        FreshetError: it holds no event.
    """
    if "://" not in path and not any(Path(path).glob("day=*/*.parquet")):
        raise FreshetError(f"The archive {path} holds no event yet: `freshet archive` fills it.")
    quoted = path.replace("'", "''")
    return f"read_parquet('{quoted}/day=*/*.parquet', hive_partitioning = true)"
