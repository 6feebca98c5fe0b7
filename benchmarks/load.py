"""Sends the events of an open-loop load with as little of the machine as can be: it stands beside what is measured.

`freshet replay` sends with kafka-python, whose request thread costs a third of a core at one request every four
milliseconds; librdkafka costs a tenth. On a machine of two cores that difference is latency.
"""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, Producer

from freshet.errors import FreshetError
from freshet.replay.produce import KEY_FIELDS, EventProducer
from freshet.schemas.avro import Record
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.settings import Settings

KEYS = {**KEY_FIELDS, INTERACTIONS_CLEAN: "subject"}
POLL_EVERY = 50  # acknowledgements need a look before the queue of the client is full, no more often
FLUSH_S = 30.0


def send(settings: Settings, topic: str, records: Iterable[Record], *, linger_ms: int) -> None:
    """Send each record when `records` yields it, and wait until the broker has acknowledged all of them.

    Raises:
        FreshetError: the topic or its schema is missing, or the broker did not take every record.
    """
    with EventProducer(settings) as front:
        encode = front.ready(topic)
    refused: list[KafkaError] = []
    producer, key_field = Producer(_config(settings, linger_ms)), KEYS[topic]

    def heard(error: KafkaError | None, _: Any) -> None:
        if error is not None:
            refused.append(error)

    for number, record in enumerate(records):
        producer.produce(topic, encode(record), record[key_field].encode(), on_delivery=heard)
        if number % POLL_EVERY == 0:
            producer.poll(0)
    left = producer.flush(FLUSH_S)
    if left or refused:
        reason = f": {refused[0].str()}" if refused else ""
        raise FreshetError(f"The broker did not take {left + len(refused)} events of the load{reason}.")


def _config(settings: Settings, linger_ms: int) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "linger.ms": linger_ms,
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # the partition that every other Kafka client gives a key
    }
