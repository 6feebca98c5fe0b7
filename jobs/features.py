"""The features job: every clean event updates all stream feature views that it touches.

interactions.clean -> each event id once -> what it brings -> (by entity) features -> online store -> feature-updates
                                                                                   | too late -> interactions.rejected
"""

from collections.abc import Sequence

from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment, Table
from pyflink.table.statement_set import StatementSet

from freshet.jobs.feature_registry import registered_views
from freshet.jobs.runtime import schema_id, stateful_environment
from freshet.jobs.sql_functions import register_functions
from freshet.jobs.tables import clean_events, sink
from freshet.schemas.topics import FEATURE_UPDATES, INTERACTIONS_REJECTED
from freshet.settings import Settings, load_settings
from freshet.udfs.engine_spec import DEFINITIONS, FEATURES, EngineConfig, definition_ids, digest_of, engine_spec
from freshet.udfs.view_sql import brought_query, unique_events
from freshet.udfs.views import View

NAME = "features"


def build(env: StreamTableEnvironment, settings: Settings, views: Sequence[View]) -> StatementSet:
    """Return the job's statements, ready to execute."""
    env.execute_sql(clean_events(settings.kafka, settings.registry, group="freshet-features"))
    columns = "subject STRING, payload BYTES"
    env.execute_sql(sink("updates", columns, settings.kafka, topic=FEATURE_UPDATES, key="subject", exactly_once=False))
    env.execute_sql(
        sink("rejected", "payload BYTES", settings.kafka, topic=INTERACTIONS_REJECTED, key=None, exactly_once=False)
    )
    env.execute_sql(f"CREATE TEMPORARY VIEW unique_events AS {unique_events('events')}")
    register_functions(env, settings, views)
    announced, too_late = with_features(
        env, env.sql_query(brought_query(views, "unique_events")), engine_spec_of(settings, views)
    )
    env.create_temporary_view("announced", announced)
    env.create_temporary_view("too_late", too_late)
    statements = env.create_statement_set()
    statements.add_insert_sql("INSERT INTO updates SELECT subject, payload FROM announced")
    statements.add_insert_sql("INSERT INTO rejected SELECT payload FROM too_late")
    return statements


def with_features(env: StreamTableEnvironment, brought: Table, spec: str) -> tuple[Table, Table]:
    """Return the announcements of events, each after its features have been written, and what to tell of late ones.

    This half of the job is `udfs/java/freshet/features/FeatureJob.java`.
    """
    engine = get_gateway().jvm.freshet.features.FeatureJob
    announced, too_late = engine.attach(env._j_tenv, brought._j_table, spec)  # noqa: SLF001 - PyFlink's only way to Java
    return Table(announced, env), Table(too_late, env)


def engine_spec_of(settings: Settings, views: Sequence[View]) -> str:
    """Return what the Java half of the job is told."""
    config = EngineConfig(
        redis_url=settings.redis.url.get_secret_value(),
        project=settings.redis.project,
        update_schema_id=schema_id(settings, FEATURE_UPDATES),
        rejected_schema_id=schema_id(settings, INTERACTIONS_REJECTED),
        state_ttl_ms=settings.features.state_ttl_days * 86_400_000,
    )
    return engine_spec(views, config)


def main() -> None:
    """Submit the job to the cluster that runs this."""
    settings = load_settings()
    views = registered_views(settings)
    env = stateful_environment(NAME, settings)
    told = {DEFINITIONS: digest_of(views), FEATURES: ".".join(definition_ids(views).values())}
    env.get_config().set("pipeline.global-job-parameters", ",".join(f"{name}:{text}" for name, text in told.items()))
    build(env, settings, views).execute()


if __name__ == "__main__":
    main()
