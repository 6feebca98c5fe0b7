"""The rules job: patterns in what a user does become triggers, which the scoring job acts on.

interactions.clean -> each event id once, in event time -> (by user) a pattern for each rule -> feature-updates
"""

from collections.abc import Sequence

from pyflink.table import StreamTableEnvironment
from pyflink.table.statement_set import StatementSet

from freshet.errors import FreshetError
from freshet.jobs.rule_registry import registered_rules
from freshet.jobs.runtime import environment, schema_id
from freshet.jobs.tables import clean_format, event_columns, sink, source
from freshet.schemas.topics import FEATURE_UPDATES, INTERACTIONS_CLEAN
from freshet.settings import Settings, load_settings
from freshet.udfs.operators.trigger import trigger_udf
from freshet.udfs.rule_sql import TRIGGERS, event_time, fired, moments, ticking_table
from freshet.udfs.rules import RULES, Rule, digest_of

NAME = "rules"

# How long event ids are remembered. A copy that comes later than that is late, so no pattern sees it anyway.
STATE_TTL = "1 h"

# A partition without events for so long is left out of the time of the others. While a backlog is read partitions take
# turns: one that were left out meanwhile would come back with events that are late.
IDLE = "5 s"

ARRIVED_MS = "(EXTRACT(EPOCH FROM arrived) * 1000 + EXTRACT(MILLISECOND FROM arrived))"


def build(env: StreamTableEnvironment, settings: Settings, rules: Sequence[Rule]) -> StatementSet:
    """Return the job's statements, ready to execute."""
    env.create_temporary_function("announced", trigger_udf(schema_id(settings, FEATURE_UPDATES)))
    env.execute_sql(_source_table(settings))
    env.execute_sql(ticking_table("ticks"))
    columns = "subject STRING, payload BYTES"
    env.execute_sql(sink("updates", columns, settings.kafka, topic=FEATURE_UPDATES, key="subject", exactly_once=False))
    env.execute_sql(f"CREATE TEMPORARY VIEW moments AS {moments('events', 'ticks')}")
    env.execute_sql(f"CREATE TEMPORARY VIEW fired AS {fired(rules)}")
    statements = env.create_statement_set()
    statements.add_insert_sql(f"INSERT INTO updates SELECT subject, announced({', '.join(TRIGGERS)}) FROM fired")
    return statements


def _source_table(settings: Settings) -> str:
    arrived = "arrived TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL"
    value_format = f"'scan.watermark.idle-timeout' = '{IDLE}',\n  {clean_format(settings.registry)}"
    return source(
        "events",
        ", ".join([event_columns(), arrived, "pt AS PROCTIME()", *event_time(ARRIVED_MS)]),
        settings.kafka,
        topic=INTERACTIONS_CLEAN,
        group="freshet-rules",
        value_format=value_format,
        first="latest",
    )


def main() -> None:
    """Submit the job to the cluster that runs this.

    Raises:
        FreshetError: no rules are registered.
    """
    settings = load_settings()
    rules = registered_rules(settings)
    if not rules:
        raise FreshetError("No rules are registered: declare one beside the views and run `freshet features apply`.")
    env = environment(NAME, settings, python="thread", state_ttl=STATE_TTL)
    env.get_config().set("pipeline.global-job-parameters", f"{RULES}:{digest_of(rules)}")
    build(env, settings, rules).execute()


if __name__ == "__main__":
    main()
