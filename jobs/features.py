"""The features job: every clean event updates all stream feature views that it touches.

interactions.clean -> each event id once -> what it brings -> (by entity) features -> online store -> feature-updates
"""

from collections.abc import Sequence

from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment, Table
from pyflink.table.statement_set import StatementSet

from freshet.jobs.feature_registry import registered_views
from freshet.jobs.runtime import environment, schema_id
from freshet.jobs.tables import sink, source
from freshet.schemas.topics import BY_NAME, FEATURE_UPDATES, INTERACTIONS_CLEAN
from freshet.settings import Settings, load_settings
from freshet.udfs.engine_spec import DEFINITIONS, EngineConfig, digest_of, engine_spec
from freshet.udfs.view_sql import EVENT_COLUMNS, brought_query, unique_events
from freshet.udfs.views import View

NAME = "features"

# A key that nobody touches for this long is forgotten: three months at a half-life of a week leave a ten-thousandth.
STATE_TTL_DAYS = 90


def build(env: StreamTableEnvironment, settings: Settings, views: Sequence[View]) -> StatementSet:
    """Return the job's statements, ready to execute."""
    env.execute_sql(_source_table(settings))
    columns = "subject STRING, payload BYTES"
    env.execute_sql(sink("updates", columns, settings.kafka, topic=FEATURE_UPDATES, key="subject", exactly_once=False))
    env.execute_sql(f"CREATE TEMPORARY VIEW unique_events AS {unique_events('events')}")
    announced = with_features(env, env.sql_query(brought_query(views, "unique_events")), _spec(settings, views))
    env.create_temporary_view("announced", announced)
    statements = env.create_statement_set()
    statements.add_insert_sql("INSERT INTO updates SELECT subject, payload FROM announced")
    return statements


def with_features(env: StreamTableEnvironment, brought: Table, spec: str) -> Table:
    """Return the announcements of the events in `brought`, each after its features have been written.

    This half of the job is `udfs/java/freshet/features/FeatureJob.java`.
    """
    engine = get_gateway().jvm.freshet.features.FeatureJob
    return Table(engine.attach(env._j_tenv, brought._j_table, spec), env)  # noqa: SLF001 - PyFlink's only way to Java


def _source_table(settings: Settings) -> str:
    columns = ", ".join(f"`{name}` {kind}" for name, kind in EVENT_COLUMNS.items())
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


def _spec(settings: Settings, views: Sequence[View]) -> str:
    config = EngineConfig(
        redis_url=settings.redis.url.get_secret_value(),
        project=settings.redis.project,
        update_schema_id=schema_id(settings, FEATURE_UPDATES),
        state_ttl_ms=STATE_TTL_DAYS * 86_400_000,
    )
    return engine_spec(views, config)


def main() -> None:
    """Submit the job to the cluster that runs this."""
    settings = load_settings()
    views = registered_views(settings)
    env = environment(NAME, settings, python="process", state_ttl=f"{STATE_TTL_DAYS} d")
    env.get_config().set("pipeline.global-job-parameters", f"{DEFINITIONS}:{digest_of(views)}")
    build(env, settings, views).execute()


if __name__ == "__main__":
    main()
