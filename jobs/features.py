"""The features job: every clean event updates all stream feature views that it touches.

interactions.clean -> each event id once -> one OVER a view -> write to the online store -> feature-updates
"""

from collections.abc import Sequence

from pyflink.table import TableEnvironment
from pyflink.table.statement_set import StatementSet

from freshet.errors import FreshetError
from freshet.jobs.feature_registry import registered_views
from freshet.jobs.runtime import environment, schema_id
from freshet.jobs.tables import sink, source
from freshet.schemas.topics import BY_NAME, FEATURE_UPDATES, INTERACTIONS_CLEAN
from freshet.settings import Settings, load_settings
from freshet.udfs.operators.write_features import EVENT_ARGUMENTS, WriterConfig, write_features_udf
from freshet.udfs.view_sql import EVENT_COLUMNS, FUNCTIONS, chain, quoted, unique_events
from freshet.udfs.views import View

NAME = "features"

# A key that nobody touches for this long is forgotten: three months at a half-life of a week leave a ten-thousandth.
STATE_TTL = "90 d"

TYPES = {"event_time": "BIGINT", "value": "DOUBLE", "source_offset": "BIGINT"}


def build(env: TableEnvironment, settings: Settings, views: Sequence[View]) -> StatementSet:
    """Return the job's statements, ready to execute."""
    for name, java_class in FUNCTIONS.items():
        env.execute_sql(f"CREATE TEMPORARY SYSTEM FUNCTION {name} AS '{java_class}' LANGUAGE JAVA")
    env.create_temporary_function("write_features", write_features_udf(_config(settings, views)))
    env.execute_sql(_source_table(settings))
    columns = "subject STRING, payload BYTES"
    env.execute_sql(sink("updates", columns, settings.kafka, topic=FEATURE_UPDATES, key="subject", exactly_once=False))
    last = "unique_events"
    env.execute_sql(f"CREATE TEMPORARY VIEW {last} AS {unique_events('events')}")
    for name, query in chain(views, last):
        env.execute_sql(f"CREATE TEMPORARY VIEW {name} AS {query}")
        last = name
    statements = env.create_statement_set()
    statements.add_insert_sql(_write(views, last))
    return statements


def _source_table(settings: Settings) -> str:
    columns = ", ".join(f"`{name}` {TYPES.get(name, 'STRING')}" for name in EVENT_COLUMNS)
    value_format = f"""'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = '{settings.registry.url}',
  'value.avro-confluent.subject' = '{BY_NAME[INTERACTIONS_CLEAN].subject}'"""
    return source(
        "events",
        f"{columns}, pt AS PROCTIME()",
        settings.kafka,
        topic=INTERACTIONS_CLEAN,
        group="freshet-features",
        value_format=value_format,
        rebuild=True,
    )


def _write(views: Sequence[View], last: str) -> str:
    arguments = ", ".join(quoted([*EVENT_ARGUMENTS, *(view.name for view in views)]))
    return f"""INSERT INTO updates
SELECT subject, payload FROM (SELECT subject, write_features({arguments}) AS payload FROM {last})
WHERE payload IS NOT NULL"""


def _config(settings: Settings, views: Sequence[View]) -> WriterConfig:
    return WriterConfig(
        redis_url=settings.redis.url.get_secret_value(),
        project=settings.redis.project,
        update_schema_id=schema_id(settings, FEATURE_UPDATES),
        views=tuple(views),
        subject_view=_subject_view(views),
    )


def _subject_view(views: Sequence[View]) -> str:
    """Return the view whose version orders a subject's announcements."""
    for view in views:
        if view.keys == ("subject",):
            return view.name
    raise FreshetError("No view has the user alone as its entity, so nothing can be announced: declare one.")


def main() -> None:
    """Submit the job to the cluster that runs this."""
    settings = load_settings()
    env = environment(NAME, settings, python="process", state_ttl=STATE_TTL)
    build(env, settings, registered_views(settings)).execute()


if __name__ == "__main__":
    main()
