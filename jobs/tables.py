"""Kafka tables as every job declares them."""

from collections.abc import Mapping
from typing import Literal

from freshet.schemas.topics import BY_NAME, INTERACTIONS_CLEAN
from freshet.settings import Kafka, Registry
from freshet.udfs.view_sql import EVENT_COLUMNS

# A request costs the broker and both its clients some 150 us of processor time each, whatever it holds. At some hundred
# events a second one of its own for each event would fill a core, so they wait a few milliseconds for company.
LINGER_MS = 4
FETCH_WAIT_MS, FETCH_BYTES = 8, 65_536
"""The broker answers a consumer when so much has come or so long has passed."""

BATCH_BYTES = 262_144
"""The producer's default of 16 KiB holds three lists: a bundle of some hundred would leave in as many requests."""


def event_columns() -> str:
    """Return the columns of a clean event, as a table declares them."""
    return ", ".join(f"`{name}` {kind}" for name, kind in EVENT_COLUMNS.items())


def clean_format(registry: Registry) -> str:
    """Return the options by which a table reads the records of `interactions.clean`."""
    return f"""'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = '{registry.url}',
  'value.avro-confluent.subject' = '{BY_NAME[INTERACTIONS_CLEAN].subject}'"""


def source(
    name: str,
    columns: str,
    kafka: Kafka,
    *,
    topic: str,
    group: str,
    value_format: str,
    rebuild: bool = False,
    first: Literal["earliest", "latest"] = "earliest",
) -> str:
    """Return the DDL of a table that reads a topic from where the job's checkpoint stands.

    Without a checkpoint a job goes on where its group stood, and a group that has never stood anywhere where `first` says;
    a job that must `rebuild` its state reads all there is.

    It reads uncommitted records too: the hot path does not wait for a transaction, it drops duplicates instead.
    """
    startup = "earliest-offset" if rebuild else "group-offsets"
    return f"""CREATE TEMPORARY TABLE {name} ({columns}) WITH (
  'connector' = 'kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{kafka.bootstrap_servers}',
  'properties.group.id' = '{group}',
  'properties.isolation.level' = 'read_uncommitted',
  'properties.fetch.min.bytes' = '{FETCH_BYTES}',
  'properties.fetch.max.wait.ms' = '{FETCH_WAIT_MS}',
  'scan.startup.mode' = '{startup}',
  'properties.auto.offset.reset' = '{first}',
  {value_format}
)"""


def clean_events(kafka: Kafka, registry: Registry, *, group: str) -> str:
    """Return the DDL of the table `events` of a job that must rebuild its state: clean events, and when each came in, `pt`."""
    return source(
        "events",
        f"{event_columns()}, pt AS PROCTIME()",
        kafka,
        topic=INTERACTIONS_CLEAN,
        group=group,
        value_format=clean_format(registry),
        rebuild=True,
    )


def bounded_source(
    name: str,
    columns: str,
    kafka: Kafka,
    *,
    topic: str,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    value_format: str,
) -> str:
    """Return the DDL of a table that reads a topic from and up to an offset of each partition, uncommitted records too."""
    return f"""CREATE TEMPORARY TABLE {name} ({columns}) WITH (
  'connector' = 'kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{kafka.bootstrap_servers}',
  'properties.isolation.level' = 'read_uncommitted',
  'scan.startup.mode' = 'specific-offsets',
  'scan.startup.specific-offsets' = '{_offsets(starts)}',
  'scan.bounded.mode' = 'specific-offsets',
  'scan.bounded.specific-offsets' = '{_offsets(ends)}',
  {value_format}
)"""


def _offsets(offsets: Mapping[int, int]) -> str:
    return ";".join(f"partition:{partition},offset:{offset}" for partition, offset in sorted(offsets.items()))


def sink(name: str, columns: str, kafka: Kafka, *, topic: str, key: str | None, exactly_once: bool) -> str:
    """Return the DDL of a table that writes framed bytes to a topic, keyed by the text column `key`.

    With `exactly_once` its records carry a Kafka transaction: one that reads committed records sees each once, after a
    checkpoint; one that reads uncommitted ones sees them at once.
    """
    keys = f"'key.format' = 'raw', 'key.fields' = '{key}', 'value.fields-include' = 'EXCEPT_KEY'," if key else ""
    guarantee = (
        f"""'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'freshet-{topic}',
  'properties.transaction.timeout.ms' = '900000',"""
        if exactly_once
        else "'sink.delivery-guarantee' = 'at-least-once',"
    )
    return f"""CREATE TEMPORARY TABLE {name} ({columns}) WITH (
  'connector' = 'kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{kafka.bootstrap_servers}',
  {guarantee}
  {keys}
  'properties.linger.ms' = '{LINGER_MS}',
  'properties.batch.size' = '{BATCH_BYTES}',
  'value.format' = 'raw'
)"""
