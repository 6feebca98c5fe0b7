"""The trends job: what all users together do becomes rows of decayed counts, which every scoring worker reads.

interactions.clean -> each event id once -> (by user) what it brings to rows -> (by row) decayed counts -> online store
                                                   | sessions that are over -> online store
"""

from collections.abc import Sequence

from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment, Table
from pyflink.table.statement_set import StatementSet

from freshet.jobs.runtime import stateful_environment
from freshet.jobs.tables import clean_events
from freshet.settings import Settings, load_settings
from freshet.udfs.trend_spec import TRENDS, TrendConfig, brought_query, digest_of, trend_spec
from freshet.udfs.trends import TRENDS as DECLARED
from freshet.udfs.trends import Trend
from freshet.udfs.view_sql import unique_events

NAME = "trends"

WRITTEN = "name STRING, `member` STRING, as_of BIGINT, `count` BIGINT, `value` STRING"


def build(env: StreamTableEnvironment, settings: Settings, trends: Sequence[Trend]) -> StatementSet:
    """Return the job's statements, ready to execute."""
    env.execute_sql(clean_events(settings.kafka, settings.registry, group="freshet-trends"))
    env.execute_sql(f"CREATE TEMPORARY TABLE nowhere ({WRITTEN}) WITH ('connector' = 'blackhole')")
    env.execute_sql(f"CREATE TEMPORARY VIEW unique_events AS {unique_events('events')}")
    brought = env.sql_query(brought_query(trends, "unique_events"))
    env.create_temporary_view("written", with_trends(env, brought, spec_of(settings, trends)))
    statements = env.create_statement_set()
    statements.add_insert_sql("INSERT INTO nowhere SELECT * FROM written")
    return statements


def with_trends(env: StreamTableEnvironment, brought: Table, spec: str) -> Table:
    """Return a table without rows, behind which rows and sets are kept and written.

    This half of the job is `udfs/java/freshet/trends/TrendJob.java`.
    """
    job = get_gateway().jvm.freshet.trends.TrendJob
    return Table(job.attach(env._j_tenv, brought._j_table, spec), env)  # noqa: SLF001 - PyFlink's only way to Java


def spec_of(settings: Settings, trends: Sequence[Trend]) -> str:
    """Return what the Java half of the job is told."""
    ttl_ms = settings.features.state_ttl_days * 86_400_000
    return trend_spec(trends, TrendConfig(settings.redis.url.get_secret_value(), ttl_ms))


def main(trends: Sequence[Trend] = DECLARED) -> None:
    """Submit the job to the cluster that runs this."""
    settings = load_settings()
    env = stateful_environment(NAME, settings)
    env.get_config().set("pipeline.global-job-parameters", f"{TRENDS}:{digest_of(trends)}")
    build(env, settings, trends).execute()


if __name__ == "__main__":
    main()
