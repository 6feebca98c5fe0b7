"""The ceiling: the JVM decodes the clean topic once, from beginning to end, and throws the events away.

flink run --python benchmarks/scan.py
"""

from freshet.jobs.runtime import environment
from freshet.jobs.tables import clean_format, event_columns, source
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.settings import load_settings


def main() -> None:
    """Submit the job to the cluster that runs this."""
    settings = load_settings()
    env = environment("scan", settings, python="process")
    columns = event_columns()
    table = source(
        "events",
        columns,
        settings.kafka,
        topic=INTERACTIONS_CLEAN,
        group="freshet-scan",
        value_format=clean_format(settings.registry),
        rebuild=True,
    )
    env.execute_sql(table)
    env.execute_sql(f"CREATE TEMPORARY TABLE nowhere ({columns}) WITH ('connector' = 'blackhole')")
    env.execute_sql("INSERT INTO nowhere SELECT * FROM events /*+ OPTIONS('scan.bounded.mode' = 'latest-offset') */")


if __name__ == "__main__":
    main()
