"""Reads the `catalog` topic into a worker's memory: all of it first, then what is new."""

import logging
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Generic, TypeVar

from kafka import KafkaConsumer, TopicPartition

from freshet.schemas.avro import Decoder, NotConfluentFramed, Record, UnreadableRecord
from freshet.schemas.registry import Registry, SchemaNotFound
from freshet.schemas.topics import CATALOG
from freshet.udfs.catalogue import Catalogue, Place

log = logging.getLogger(__name__)

Value = TypeVar("Value")
Ends = dict[TopicPartition, int]

POLL_MS = 200
LOAD_TIMEOUT_MS = 60_000
FAILURE_PAUSE_S = 1.0
_lock = threading.Lock()


def shared_catalogue(bootstrap_servers: str, registry_url: str) -> Catalogue:
    """Return the catalogue of this process, loaded to the end of the topic as it stood at the first call."""
    with _lock:
        return _load(bootstrap_servers, registry_url)


@lru_cache(maxsize=4)
def _load(bootstrap_servers: str, registry_url: str) -> Catalogue:
    reader = TopicReader(bootstrap_servers, registry_url, place_in)
    catalogue = Catalogue()
    for changes in reader.up_to_now():
        catalogue.apply(changes)
    log.info("The catalogue holds %d items.", len(catalogue))
    catalogue.follow(reader.newer, FAILURE_PAUSE_S)
    return catalogue


def place_in(item: Record) -> Place:
    """Return where a record of the catalogue puts its item."""
    return Place(item["department"], item["category"], item["product_type"], item["brand"])


class TopicReader(Generic[Value]):
    """Reads every partition of the topic from its beginning; offsets are not committed, since each worker reads all.

    A change is an item's id and what `made_of` makes of its record, or None when the item is gone. For one thread.
    """

    def __init__(self, bootstrap_servers: str, registry_url: str, made_of: Callable[[Record], Value]) -> None:
        """Connect.

        Raises:
            kafka.errors.KafkaError: no broker answers.
        """
        self._decode = Decoder(CATALOG, Registry(registry_url).schema)
        self._made_of = made_of
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers.split(","), enable_auto_commit=False)
        partitions = self._consumer.partitions_for_topic(CATALOG) or set()
        self._partitions = [TopicPartition(CATALOG, partition) for partition in sorted(partitions)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning()

    def ends(self) -> Ends:
        """Ask the broker where the topic ends now. A poll does not tell a silent broker from a dead one; this does.

        Raises:
            kafka.errors.KafkaError: it does not answer.
        """
        return dict(self._consumer.end_offsets(self._partitions))

    def has_read_to(self, ends: Ends) -> bool:
        """Tell whether all that lies before these ends was read."""
        return all(self._consumer.position(partition) >= end for partition, end in ends.items())

    def up_to_now(self) -> Iterator[list[tuple[str, Value | None]]]:
        """Yield changes up to the end of the topic as it stands now."""
        ends = self.ends()
        while not self.has_read_to(ends):
            yield self._poll(LOAD_TIMEOUT_MS)

    def newer(self) -> list[tuple[str, Value | None]]:
        """Wait a little for changes and return them, in their order."""
        return self._poll(POLL_MS)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _poll(self, timeout_ms: int) -> list[tuple[str, Value | None]]:
        batches = self._consumer.poll(timeout_ms=timeout_ms, max_records=2_000)
        try:
            changes = [self._change(record) for records in batches.values() for record in records]
        except Exception:
            for partition, records in batches.items():
                self._consumer.seek(partition, records[0].offset)  # else these changes would never be seen again
            raise
        return [change for change in changes if change is not None]

    def _change(self, record: Any) -> tuple[str, Value | None] | None:
        item_id = record.key.decode("utf-8", "replace") if record.key else ""
        if not record.value:
            return item_id, None
        try:
            item = self._decode(record.value)
        except (NotConfluentFramed, UnreadableRecord, SchemaNotFound) as error:
            log.warning("Catalogue record at offset %d is left out: %s", record.offset, error)
            return None
        return item["item_id"], self._made_of(item)
