"""Reads the `catalog` topic into a worker's `Catalogue`: all of it before the first event, then what is new."""

import logging
import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from freshet.schemas.avro import Decoder, NotConfluentFramed, UnreadableRecord
from freshet.schemas.registry import Registry, SchemaNotFound
from freshet.schemas.topics import CATALOG
from freshet.udfs.catalogue import Catalogue, Change, Place

log = logging.getLogger(__name__)

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
    reader = _TopicReader(bootstrap_servers, Decoder(CATALOG, Registry(registry_url).schema))
    catalogue = Catalogue()
    for changes in reader.up_to_now():
        catalogue.apply(changes)
    log.info("The catalogue holds %d items.", len(catalogue))
    catalogue.follow(reader.newer, FAILURE_PAUSE_S)
    return catalogue


class _TopicReader:
    """Reads every partition of the topic from its beginning; offsets are not committed, since each worker reads all."""

    def __init__(self, bootstrap_servers: str, decode: Decoder) -> None:
        self._decode = decode
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers.split(","), enable_auto_commit=False)
        partitions = self._consumer.partitions_for_topic(CATALOG) or set()
        self._partitions = [TopicPartition(CATALOG, partition) for partition in sorted(partitions)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning()

    def up_to_now(self) -> Iterable[list[Change]]:
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            yield self._poll(LOAD_TIMEOUT_MS)

    def newer(self) -> list[Change]:
        return self._poll(POLL_MS)

    def _poll(self, timeout_ms: int) -> list[Change]:
        batches = self._consumer.poll(timeout_ms=timeout_ms, max_records=2_000)
        try:
            changes = [self._change(record) for records in batches.values() for record in records]
        except Exception:
            for partition, records in batches.items():
                self._consumer.seek(partition, records[0].offset)  # else these changes would never be seen again
            raise
        return [change for change in changes if change is not None]

    def _change(self, record: Any) -> Change | None:
        item_id = record.key.decode("utf-8", "replace") if record.key else ""
        if not record.value:
            return item_id, None
        try:
            item = self._decode(record.value)
        except (NotConfluentFramed, UnreadableRecord, SchemaNotFound) as error:
            log.warning("Catalogue record at offset %d is left out: %s", record.offset, error)
            return None
        return item["item_id"], Place(item["department"], item["category"], item["product_type"], item["brand"])
