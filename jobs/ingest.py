"""The ingest job: raw interactions become clean ones, or refusals.

interactions -> decode, validate, subject, category tree -> interactions.clean | interactions.rejected
"""

from pyflink.table import TableEnvironment
from pyflink.table.statement_set import StatementSet

from freshet.jobs.runtime import environment, schema_id
from freshet.jobs.tables import sink, source
from freshet.schemas.topics import INTERACTIONS, INTERACTIONS_CLEAN, INTERACTIONS_REJECTED
from freshet.settings import Settings, load_settings
from freshet.udfs.operators.ingest import IngestConfig, ingest_udf

NAME = "ingest"

RAW_COLUMNS = """
  payload BYTES,
  record_key BYTES,
  k_partition INT METADATA FROM 'partition' VIRTUAL,
  k_offset BIGINT METADATA FROM 'offset' VIRTUAL,
  k_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL"""

RAW_FORMAT = """'value.format' = 'raw', 'key.format' = 'raw', 'key.fields' = 'record_key',
  'value.fields-include' = 'EXCEPT_KEY'"""

# The time goes in as milliseconds: thread mode cannot carry timestamps (FLINK-35180).
JUDGED = """
SELECT judge(payload, record_key, k_partition, k_offset,
             EXTRACT(EPOCH FROM k_time) * 1000 + EXTRACT(MILLISECOND FROM k_time)) AS verdict
FROM interactions"""


def build(env: TableEnvironment, settings: Settings) -> StatementSet:
    """Return the job's statements, ready to execute."""
    env.create_temporary_function("judge", ingest_udf(_config(settings)))
    kafka = settings.kafka
    env.execute_sql(
        source("interactions", RAW_COLUMNS, kafka, topic=INTERACTIONS, group="freshet-ingest", value_format=RAW_FORMAT)
    )
    clean = sink(
        "clean", "subject STRING, payload BYTES", kafka, topic=INTERACTIONS_CLEAN, key="subject", exactly_once=True
    )
    env.execute_sql(clean)
    env.execute_sql(sink("rejected", "payload BYTES", kafka, topic=INTERACTIONS_REJECTED, key=None, exactly_once=True))
    env.execute_sql(f"CREATE TEMPORARY VIEW judged AS {JUDGED}")
    statements = env.create_statement_set()
    statements.add_insert_sql(
        "INSERT INTO clean SELECT verdict.subject, verdict.payload FROM judged WHERE verdict.subject IS NOT NULL"
    )
    statements.add_insert_sql("INSERT INTO rejected SELECT verdict.payload FROM judged WHERE verdict.subject IS NULL")
    return statements


def _config(settings: Settings) -> IngestConfig:
    return IngestConfig(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        registry_url=settings.registry.url,
        clean_schema_id=schema_id(settings, INTERACTIONS_CLEAN),
        rejected_schema_id=schema_id(settings, INTERACTIONS_REJECTED),
        pseudonym_key_file=settings.privacy.pseudonym_key_file,
    )


def main() -> None:
    """Submit the job to the cluster that runs this."""
    settings = load_settings()
    build(environment(NAME, settings, python="thread"), settings).execute()


if __name__ == "__main__":
    main()
