"""The scoring job: every announced user gets a new list.

feature-updates -> batches -> features, candidates, one scoring call, filters -> topn:* and hot:* -> recommendations

Batches come from Java and records go through Java (`udfs/java/freshet/lists/ListJob.java`): a batch is what came while the
one before it was under way, and the interpreter is left to what only it can do.
"""

from functools import partial

from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment, Table
from pyflink.table.statement_set import StatementSet

from freshet.jobs.runtime import environment, schema_id
from freshet.jobs.tables import sink, source
from freshet.models.profiles import Update
from freshet.models.serving import ServingConfig, load_list_maker
from freshet.models.tiers import load
from freshet.schemas.avro import schema_text
from freshet.schemas.topics import FEATURE_UPDATES, RECOMMENDATIONS
from freshet.settings import Settings, load_settings
from freshet.udfs.operators.score import score_udf

NAME, GROUP = "scoring", "freshet-scoring"

GATHERED, WAIT_MS = 512, 2
"""Announcements in a batch at most, and how long one waits for company once it could begin.

A batch is larger than the lists that are made together (`USERS_AT_ONCE`), which are stored when they are ready: where there is
a backlog, the way there and back is paid less often.
"""


def build(env: StreamTableEnvironment, settings: Settings) -> StatementSet:
    """Return the job's statements, ready to execute.

    Raises:
        FreshetError: the model is missing, damaged or no model, or the placements are not what they should be; better
            told here than by a job that restarts.
    """
    config = _config(settings)
    config.load_placements()
    load(config.model_path, config.providers, config.precision)
    env.create_temporary_function("score", score_udf(partial(load_list_maker, config), Update, settings.registry.url))
    kafka, raw = settings.kafka, "'value.format' = 'raw'"
    env.execute_sql(source("updates", "payload BYTES", kafka, topic=FEATURE_UPDATES, group=GROUP, value_format=raw))
    columns = "subject STRING, payload BYTES"
    env.execute_sql(sink("lists", columns, kafka, topic=RECOMMENDATIONS, key="subject", exactly_once=True))
    env.create_temporary_view("batches", gathered(env, env.from_path("updates")))
    made = env.sql_query("SELECT score(payloads) AS made FROM batches")
    env.create_temporary_view("records", published(env, made, schema_id(settings, RECOMMENDATIONS)))
    statements = env.create_statement_set()
    statements.add_insert_sql("INSERT INTO lists SELECT subject, payload FROM records")
    return statements


def gathered(env: StreamTableEnvironment, announced: Table) -> Table:
    """Return announcements, of the column payload, in batches, of the column payloads."""
    java = get_gateway().jvm.freshet.lists.ListJob
    batches = java.gather(env._j_tenv, announced._j_table, GATHERED, WAIT_MS)  # noqa: SLF001 - PyFlink's only way to Java
    return Table(batches, env)


def published(env: StreamTableEnvironment, made: Table, schema_id: int) -> Table:
    """Return the records of lists, of the columns subject and payload, of what the recommender made of each batch."""
    java = get_gateway().jvm.freshet.lists.ListJob
    records = java.publish(env._j_tenv, made._j_table, schema_text(RECOMMENDATIONS), schema_id)  # noqa: SLF001 - as above
    return Table(records, env)


def _config(settings: Settings) -> ServingConfig:
    return ServingConfig(
        redis_url=settings.redis.url.get_secret_value(),
        bootstrap_servers=settings.kafka.bootstrap_servers,
        registry_url=settings.registry.url,
        project=settings.redis.project,
        model_path=settings.model.path,
        providers=settings.model.providers,
        precision=settings.model.precision,
        placements=settings.lists.placements,
        placements_path=settings.lists.config,
        length=settings.lists.length,
        ttl_seconds=settings.lists.ttl_seconds,
    )


def main() -> None:
    """Submit the job to the cluster that runs this."""
    settings = load_settings()
    env = environment(NAME, settings, python=settings.lists.execution_mode)
    env.get_config().set("python.fn-execution.bundle.size", "1")  # a row is a batch: it waits for no other
    build(env, settings).execute()


if __name__ == "__main__":
    main()
