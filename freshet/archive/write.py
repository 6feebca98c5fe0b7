"""Writes the archive: a consumer of committed records that keeps nothing but the block it is filling.

Its place in the topic is the beginning of that block, so what a crash loses is read again and written to the same files.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata
from pyarrow import fs

from freshet.archive.blocks import block_of, day_of, file_of
from freshet.schemas.avro import Decoder, Record
from freshet.schemas.registry import Registry
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.settings import Settings

GROUP = "freshet-archive"
POLL_MS = 500
RECORDS_A_POLL = 5_000

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("subject", pa.string()),
        ("item_id", pa.string()),
        ("event_type", pa.string()),
        ("event_time", pa.timestamp("ms", tz="UTC")),
        ("value", pa.float64()),
        ("session_id", pa.string()),
        ("request_id", pa.string()),
        ("department", pa.string()),
        ("category", pa.string()),
        ("product_type", pa.string()),
        ("brand", pa.string()),
        ("source_partition", pa.int32()),
        ("source_offset", pa.int64()),
        ("context", pa.map_(pa.string(), pa.string())),
        ("clean_partition", pa.int32()),
        ("clean_offset", pa.int64()),
    ]
)

Progress = Callable[[int], None]
"""Called with how many events have been written so far."""


class Files:
    """The archive's folder: a local path, or an address that Arrow knows, such as s3://bucket/archive."""

    def __init__(self, path: str) -> None:
        self.system: Any
        self.root: str
        self.system, self.root = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)

    def replace(self, name: str, table: pa.Table) -> None:
        """Write a file so that a reader sees the old one or the new one, whole."""
        target = f"{self.root}/{name}"
        if not isinstance(self.system, fs.LocalFileSystem):
            pq.write_table(table, target, filesystem=self.system)  # an object appears when its upload is complete
            return
        folder, _, leaf = target.rpartition("/")
        self.system.create_dir(folder)
        pq.write_table(table, f"{folder}/.{leaf}", filesystem=self.system)
        self.system.move(f"{folder}/.{leaf}", target)


class Filling:
    """The block of one partition that is being filled, by day."""

    def __init__(self, partition: int, block: int) -> None:
        self.partition = partition
        self.block = block
        self.count = 0
        self._days: defaultdict[str, list[Record]] = defaultdict(list)
        self._unwritten: set[str] = set()

    def add(self, record: Record, offset: int) -> None:
        """Take an event in."""
        day = day_of(record["event_time"])
        self._days[day].append(
            record
            | {"context": list(record["context"].items()), "clean_partition": self.partition, "clean_offset": offset}
        )
        self._unwritten.add(day)
        self.count += 1

    def write(self, files: Files) -> None:
        """Write the files of all days that have grown since the last time."""
        for day in sorted(self._unwritten):
            table = pa.Table.from_pylist(self._days[day], schema=SCHEMA)
            files.replace(file_of(day, self.partition, self.block), table)
        self._unwritten.clear()


class Archiver(ConsumerRebalanceListener):  # type: ignore[misc]
    """Copies the topic into files. Several may run side by side: Kafka shares the partitions out among them."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        archive = settings.archive
        self._files = Files(archive.path)
        self._size = archive.block_events
        self._flush_s = archive.flush_seconds
        self._clock = clock
        self._decode = Decoder(INTERACTIONS_CLEAN, Registry(settings.registry.url).schema)
        self._filling: dict[int, Filling] = {}
        self._consumer = KafkaConsumer(
            bootstrap_servers=settings.kafka.bootstrap_servers,
            group_id=GROUP,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=RECORDS_A_POLL,
        )
        self._consumer.subscribe([INTERACTIONS_CLEAN], listener=self)
        self.written = 0

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """Do nothing: the group's place is the beginning of the block that is not complete yet."""

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Forget what another will read again."""
        for partition in revoked:
            self._filling.pop(partition.partition, None)

    def run(self, *, to_end: bool = False, progress: Progress = lambda count: None) -> int:
        """Copy events for ever, or up to what the topic holds now, and return how many were copied.

        Raises:
            kafka.errors.KafkaError: the broker is gone for good.
        """
        ends: dict[TopicPartition, int] | None = None
        flushed = self._clock()
        try:
            while True:
                for partition, records in self._consumer.poll(timeout_ms=POLL_MS).items():
                    self._take(partition, records)
                if self._clock() - flushed >= self._flush_s:
                    self._write_all()
                    flushed = self._clock()
                    progress(self.written)
                if to_end and self._consumer.assignment():
                    ends = ends or self._consumer.end_offsets(list(self._consumer.assignment()))
                    if all(self._consumer.position(partition) >= end for partition, end in ends.items()):
                        return self.written
        finally:
            self._write_all()
            self._consumer.close()

    def _take(self, partition: TopicPartition, records: list[Any]) -> None:
        for record in records:
            block = block_of(record.offset, self._size)
            filling = self._filling.get(partition.partition)
            if filling is None or filling.block != block:
                self._complete(partition, filling, block)
                filling = self._filling[partition.partition] = Filling(partition.partition, block)
            filling.add(self._decode(record.value), record.offset)
            self.written += 1

    def _complete(self, partition: TopicPartition, filling: Filling | None, next_block: int) -> None:
        """Write a block that is full; only then does the group's place move on."""
        if filling is None:
            return
        filling.write(self._files)
        place = OffsetAndMetadata(next_block * self._size, "", -1)
        self._consumer.commit({partition: place})

    def _write_all(self) -> None:
        for filling in self._filling.values():
            filling.write(self._files)
