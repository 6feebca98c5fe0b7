"""Kafka tables as every job declares them."""

from freshet.settings import Kafka

# A record waits a few milliseconds for company at each hop. Without that, a few hundred events a second are as many
# requests a second for every producer and every consumer, and each costs the broker and its client more than the event.
LINGER_MS = 4
FETCH_MAX_WAIT_MS = 10
FETCH_MIN_BYTES = 16_384


def source(
    name: str, columns: str, kafka: Kafka, *, topic: str, group: str, value_format: str, rebuild: bool = False
) -> str:
    """Return the DDL of a table that reads a topic from where the job's checkpoint stands.

    Without a checkpoint a job goes on where its group stood; one that must `rebuild` its state reads all there is.

    It reads uncommitted records too: the hot path does not wait for a transaction, it drops duplicates instead.
    """
    startup = "earliest-offset" if rebuild else "group-offsets"
    return f"""CREATE TEMPORARY TABLE {name} ({columns}) WITH (
  'connector' = 'kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{kafka.bootstrap_servers}',
  'properties.group.id' = '{group}',
  'properties.isolation.level' = 'read_uncommitted',
  'properties.fetch.min.bytes' = '{FETCH_MIN_BYTES}',
  'properties.fetch.max.wait.ms' = '{FETCH_MAX_WAIT_MS}',
  'scan.startup.mode' = '{startup}',
  'properties.auto.offset.reset' = 'earliest',
  {value_format}
)"""


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
  'value.format' = 'raw'
)"""
