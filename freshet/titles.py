"""What the catalogue calls items, read from its topic for those few that are asked for."""

from collections.abc import Collection, Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from freshet.errors import FreshetError
from freshet.schemas.avro import Decoder, NotConfluentFramed, UnreadableRecord
from freshet.schemas.registry import Registry, SchemaNotFound
from freshet.schemas.topics import CATALOG
from freshet.settings import Settings

POLL_MS = 1_000


def titles_of(settings: Settings, items: Collection[str]) -> dict[str, str]:
    """Return the title, else the product type, of those of the items that the catalogue knows and names.

    Raises:
        FreshetError: the broker or the registry does not answer.
    """
    wanted = {item.encode() for item in items}
    decode = Decoder(CATALOG, Registry(settings.registry.url).schema)
    titles: dict[str, str] = {}
    try:
        # The key is the item's id: of tens of thousands of records only the wanted ones are decoded.
        for record in _records(settings.kafka.bootstrap_servers):
            if record.key in wanted:
                titles |= _title(decode, record)
    except KafkaError as error:
        where = settings.kafka.bootstrap_servers
        raise FreshetError(f"The broker at {where} does not answer ({error}); start it with `freshet up`.") from None
    return titles


def _records(bootstrap_servers: str) -> Iterator[Any]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers.split(","), enable_auto_commit=False)
    try:
        partitions = [TopicPartition(CATALOG, one) for one in sorted(consumer.partitions_for_topic(CATALOG) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=POLL_MS).values():
                yield from records
    finally:
        consumer.close()


def _title(decode: Decoder, record: Any) -> dict[str, str]:
    try:
        item = decode(record.value) if record.value else None
    except (NotConfluentFramed, UnreadableRecord, SchemaNotFound):
        return {}  # a record that cannot be read is told by the ingest job; here it is an item without a title
    name = item and (item["title"] or item["product_type"] or item["category"])
    return {item["item_id"]: name} if item and name else {}
