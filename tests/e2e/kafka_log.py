"""Reads whole topics, and writes events, as a program that knows nothing of Freshet's jobs would."""

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from freshet.settings import Settings


def end(settings: Settings, topic: str) -> int:
    """Return how many records, transaction markers included, the topic has held."""
    with_consumer = KafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers)
    try:
        return sum(with_consumer.end_offsets(partitions(with_consumer, topic)).values())
    finally:
        with_consumer.close()


def records(settings: Settings, topic: str, *, committed: bool = True) -> Iterator[Any]:
    """Yield the records of a topic, partition by partition, in the order of their offsets."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        enable_auto_commit=False,
        isolation_level="read_committed" if committed else "read_uncommitted",
    )
    try:
        for partition in partitions(consumer, topic):
            yield from _partition(consumer, partition)
    finally:
        consumer.close()


def _partition(consumer: Any, partition: TopicPartition) -> Iterator[Any]:
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    stop = consumer.end_offsets([partition])[partition]
    while consumer.position(partition) < stop:
        for batch in consumer.poll(timeout_ms=1000).values():
            yield from batch


def partitions(consumer: Any, topic: str) -> list[TopicPartition]:
    """Return the topic's partitions."""
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
