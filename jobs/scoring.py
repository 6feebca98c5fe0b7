"""The scoring job: every announced user gets a new list.

feature-updates -> features, candidates, one scoring call a batch, filters -> topn:* and hot:* -> recommendations
"""

from functools import partial

from pyflink.table import TableEnvironment
from pyflink.table.statement_set import StatementSet

from freshet.jobs.runtime import environment, schema_id
from freshet.jobs.tables import sink, source
from freshet.models.profiles import Update
from freshet.models.serving import ServingConfig, load_list_maker
from freshet.models.tiers import load
from freshet.schemas.topics import FEATURE_UPDATES, RECOMMENDATIONS
from freshet.settings import Settings, load_settings
from freshet.udfs.operators.score import score_udf

NAME = "scoring"


def build(env: TableEnvironment, settings: Settings) -> StatementSet:
    """Return the job's statements, ready to execute.

    Raises:
        FreshetError: the model is missing, damaged or no model, or the placements are not what they should be; better
            told here than by a job that restarts.
    """
    config = _config(settings)
    config.load_placements()
    load(config.model_path, config.providers, config.precision)
    make_lists = partial(load_list_maker, config)
    score = score_udf(make_lists, Update, settings.registry.url, schema_id(settings, RECOMMENDATIONS))
    env.create_temporary_function("score", score)
    columns, kafka = "subject STRING, payload BYTES", settings.kafka
    key = (
        "'key.format' = 'raw', 'key.fields' = 'subject', 'value.fields-include' = 'EXCEPT_KEY', 'value.format' = 'raw'"
    )
    env.execute_sql(source("updates", columns, kafka, topic=FEATURE_UPDATES, group="freshet-scoring", value_format=key))
    env.execute_sql(sink("lists", columns, kafka, topic=RECOMMENDATIONS, key="subject", exactly_once=True))
    statements = env.create_statement_set()
    statements.add_insert_sql(
        "INSERT INTO lists SELECT subject, list FROM (SELECT subject, score(payload) AS made FROM updates) "
        "CROSS JOIN UNNEST(made) AS lists_made(list)"
    )
    return statements


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
    build(environment(NAME, settings, python="process"), settings).execute()


if __name__ == "__main__":
    main()
