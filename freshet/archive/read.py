"""Reads the archive with DuckDB: each event id once, as the features job counts it."""

from pathlib import Path
from typing import TYPE_CHECKING

from freshet.errors import FreshetError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EVENTS = "events"


def connect(path: str) -> "DuckDBPyConnection":
    """Return a DuckDB connection with the view `events`: the archive's events, `event_time` in milliseconds.

    Raises:
        FreshetError: the archive holds no event.
    """
    import duckdb

    if "://" not in path and not any(Path(path).glob("day=*/*.parquet")):
        raise FreshetError(f"The archive {path} holds no event yet: `freshet archive` fills it.")
    connection = duckdb.connect()
    connection.execute(f"""CREATE VIEW {EVENTS} AS
SELECT * REPLACE (epoch_ms(event_time) AS event_time)
FROM read_parquet('{path.replace("'", "''")}/day=*/*.parquet', hive_partitioning = true)
QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY clean_partition, clean_offset) = 1""")
    return connection
