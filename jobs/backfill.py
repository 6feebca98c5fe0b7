"""Makes of a savepoint of the features job one in which some features know the archived events too, and ends.

archive + the clean topic's latest -> each event id once -> what it brings -> (by entity) features -> a new savepoint

It holds exactly the events that the savepoint's offsets leave behind: the restored job reads on from there, so nothing is
missing and nothing counts twice. The latest events are read from the topic, uncommitted ones included, because the features
job has counted those too (docs/adr/0004-read-uncommitted.md).

    flink run --python jobs/backfill.py --savepoint URI --target URI --archived URI --starts 0:42,1:17 --features ID.ID
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from freshet.jobs.feature_registry import registered_views
from freshet.jobs.features import engine_spec_of
from freshet.jobs.runtime import environment
from freshet.jobs.sql_functions import register_functions
from freshet.jobs.tables import bounded_source, clean_format, event_columns
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.settings import Settings, load_settings
from freshet.udfs.view_sql import EVENT_COLUMNS, brought_query, quoted
from freshet.udfs.views import View

NAME = "backfill"

Offsets = Mapping[int, int]
"""An offset for each partition of the clean topic."""


@dataclass(frozen=True)
class Request:
    """What is to be made of what; the addresses are URIs that the cluster's workers reach."""

    savepoint: str
    target: str
    archived: str
    """Folder of JSON lines: `EVENT_COLUMNS`, clean_partition, clean_offset."""
    starts: Offsets
    """Where the topic is read from: the archive holds all committed records before."""
    features: tuple[str, ...]
    """The ids of the features to fill."""
    spread_ms: int = 0
    """How long the restored job takes to write what has changed."""


def run(env: StreamTableEnvironment, settings: Settings, views: Sequence[View], request: Request) -> None:
    """Write the new savepoint."""
    backfill = get_gateway().jvm.freshet.features.Backfill
    ends = {int(partition): int(offset) for partition, offset in backfill.offsets(request.savepoint).items()}
    env.execute_sql(archived_table(request.archived))
    starts = {partition: min(request.starts.get(partition, 0), end) for partition, end in ends.items()}
    env.execute_sql(_latest_table(settings, starts, ends))
    register_functions(env, settings, views)
    brought = env.sql_query(brought_query(views, f"({events_before(ends)})"))
    spec = engine_spec_of(settings, views)
    features = get_gateway().jvm.java.util.ArrayList()
    for feature in request.features:
        features.add(feature)
    backfill.write(
        env._j_tenv,  # noqa: SLF001 - PyFlink's only way to Java
        brought._j_table,  # noqa: SLF001
        spec,
        request.savepoint,
        request.target,
        features,
        request.spread_ms,
    )


def archived_table(folder: str) -> str:
    """Return the DDL of the archived events."""
    return f"""CREATE TEMPORARY TABLE archived ({event_columns()}, clean_partition INT, clean_offset BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '{folder}', 'format' = 'json')"""


def _latest_table(settings: Settings, starts: Offsets, ends: Offsets) -> str:
    place = "clean_partition INT METADATA FROM 'partition' VIRTUAL, clean_offset BIGINT METADATA FROM 'offset' VIRTUAL"
    return bounded_source(
        "latest",
        f"{event_columns()}, {place}",
        settings.kafka,
        topic=INTERACTIONS_CLEAN,
        starts=starts,
        ends=ends,
        value_format=clean_format(settings.registry),
    )


def events_before(ends: Offsets) -> str:
    """Return the query of the events before these offsets, the first copy of each event id.

    >>> "(clean_partition = 0 AND clean_offset < 42)" in events_before({0: 42})
    True
    """
    columns = ", ".join(quoted(EVENT_COLUMNS))
    is_before = " OR ".join(
        f"(clean_partition = {partition} AND clean_offset < {end})" for partition, end in ends.items()
    )
    return f"""SELECT {columns} FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY clean_partition, clean_offset) AS copy FROM (
    SELECT {columns}, clean_partition, clean_offset FROM archived
    UNION ALL
    SELECT {columns}, clean_partition, clean_offset FROM latest)
  WHERE {is_before or "FALSE"})
WHERE copy = 1"""


def request_of(arguments: Sequence[str] | None = None) -> Request:
    """Read the command line.

    >>> request_of("--savepoint s --target t --archived a --starts 0:42,1:7 --features 0a.0b --spread-ms 5".split())
    Request(savepoint='s', target='t', archived='a', starts={0: 42, 1: 7}, features=('0a', '0b'), spread_ms=5)
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    for name in ("savepoint", "target", "archived", "starts", "features"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--spread-ms", type=int, default=0)
    said = parser.parse_args(arguments)
    pairs = (pair.split(":") for pair in said.starts.split(","))
    starts = {int(partition): int(offset) for partition, offset in pairs}
    features = tuple(said.features.split("."))
    return Request(said.savepoint, said.target, said.archived, starts, features, said.spread_ms)


def main() -> None:
    """Run on the cluster to the end."""
    settings = load_settings()
    run(environment(NAME, settings, python="process", batch=True), settings, registered_views(settings), request_of())


if __name__ == "__main__":
    main()
