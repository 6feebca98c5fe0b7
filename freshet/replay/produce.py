"""Send records to Kafka: keyed, framed Avro, acknowledged by all replicas, each once however often it is retried.

Keep one `EventProducer` for as long as there is something to send; `produce` and `produce_one` open their own.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.partitioner import DefaultPartitioner, murmur2

from freshet.errors import FreshetError
from freshet.replay.pace import Pace
from freshet.schemas.avro import Encoder, Record, schema_text
from freshet.schemas.registry import Registry, SchemaNotFound
from freshet.schemas.topics import BY_NAME, CATALOG, INTERACTIONS
from freshet.settings import Settings
from freshet.topics import CONNECT_MS, kafka_down, reason, servers

if TYPE_CHECKING:
    from kafka.producer.future import FutureRecordMetadata
    from typing_extensions import Self  # in typing from Python 3.11

KEY_FIELDS = {INTERACTIONS: "user_id", CATALOG: "item_id"}
AS_FAST_AS_POSSIBLE = Pace()
MAX_PENDING = 50_000
BLOCK = 1_000
DELIVERY_S = 120
CLOSE_S = 10


class KeyPartitioner(DefaultPartitioner):  # type: ignore[misc]  # kafka-python has no types
    """Kafka's own partition of each key, remembered: hashing it anew for each event is a tenth of all work."""

    def partition(self, topic: str, key: Any, serialized_key: bytes | None, *rest: Any) -> int:
        """Return the partition of a key; `rest` is the value, its bytes, and the cluster's metadata."""
        partitions = rest[-1].partitions_for_topic(topic)
        if serialized_key is None or not partitions:
            return int(super().partition(topic, key, serialized_key, *rest))
        return slot(serialized_key, len(partitions))


@lru_cache(maxsize=500_000)
def slot(key: bytes, partitions: int) -> int:
    """Return the partition that every Kafka client gives a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class Ack(NamedTuple):
    """Where the broker put a record."""

    partition: int
    offset: int


class EventProducer:
    """A connection that sends records; use it in a `with`, which waits for what is still on its way.

    `linger_ms` is how long a record may wait for company: a long wait makes large batches, none makes low latency.

    Raises:
        FreshetError: the broker does not answer.
    """

    def __init__(self, settings: Settings, *, linger_ms: int = 20) -> None:
        self._settings = settings
        self._encoders: dict[str, Encoder] = {}
        self._pending: deque[FutureRecordMetadata] = deque()
        self._acknowledged = 0
        try:
            self._producer = KafkaProducer(**_config(settings), linger_ms=linger_ms)
        except KafkaError as error:
            raise kafka_down(settings, error) from None

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            # After an error or Ctrl-C nobody waits for what is on its way. The client's own close without a wait raises
            # while there is something, and leaves its thread behind.
            self._producer._sender.force_close()  # noqa: SLF001
        with suppress(KafkaError):
            self._producer.close(timeout=CLOSE_S)

    def produce(
        self,
        records: Iterable[Record],
        topic: str = INTERACTIONS,
        *,
        pace: Pace = AS_FAST_AS_POSSIBLE,
        on_progress: Callable[[int], None] = lambda sent: None,
    ) -> int:
        """Send records of the topic's schema and return how many the broker acknowledged, which is all of them.

        `on_progress` hears the number sent so far, about every thousand records or ten times a second.

        Raises:
            FreshetError: the topic or its schema is missing, or the broker stopped taking records.
        """
        encode, key_field = self.ready(topic), KEY_FIELDS[topic]
        sent, heard = 0, time.monotonic()
        for record in pace(records):
            self._send(topic, record[key_field].encode(), encode(record))
            sent += 1
            if sent % BLOCK == 0 or time.monotonic() - heard > 0.1:
                heard = time.monotonic()
                self._settle_done()
                on_progress(sent)
        self._settle(down_to=0)
        on_progress(sent)
        return sent

    def produce_one(self, record: Record, topic: str = INTERACTIONS) -> Ack:
        """Send one record, wait for the broker, and return where it is.

        Raises:
            FreshetError: the topic or its schema is missing, or the broker does not take it.
        """
        return self.produce_bytes(topic, record[KEY_FIELDS[topic]].encode(), self.encoder(topic)(record))

    def produce_bytes(self, topic: str, key: bytes | None, payload: bytes | None) -> Ack:
        """Send one record as it is, good or bad, wait for the broker, and return where it is.

        Raises:
            FreshetError: the topic is missing, or the broker does not take it.
        """
        self._need(topic)
        try:
            metadata = self._producer.send(topic, value=payload, key=key).get(timeout=DELIVERY_S)
        except KafkaError as error:
            self._fail(error)
        return Ack(metadata.partition, metadata.offset)

    def ready(self, topic: str) -> Encoder:
        """Make sure that records of the topic can be sent, and return what encodes them.

        Raises:
            FreshetError: the topic or its schema is missing.
        """
        self._need(topic)
        return self.encoder(topic)

    def encoder(self, topic: str) -> Encoder:
        """Return the encoder of a topic's values, its schema id looked up in the registry once.

        Raises:
            FreshetError: the registry does not answer or does not hold the schema.
        """
        if topic not in self._encoders:
            registry = Registry(self._settings.registry.url)
            try:
                schema_id = registry.id_of(BY_NAME[topic].subject, schema_text(topic))
            except SchemaNotFound:
                text = f"The registry at {registry.url} does not hold the schema of `{topic}`"
                raise FreshetError(f"{text}; register it with `freshet schemas register`.") from None
            self._encoders[topic] = Encoder(topic, schema_id)
        return self._encoders[topic]

    def _need(self, topic: str) -> None:
        """Fail early, with the reason, where sending would wait in vain for a topic that is not there."""
        try:
            self._producer.partitions_for(topic)
        except KafkaTimeoutError:
            text = f"Kafka at {self._settings.kafka.bootstrap_servers} has no topic `{topic}`, or is too slow to tell"
            raise FreshetError(f"{text}; make the topics with `freshet schemas register`.") from None
        except KafkaError as error:
            raise kafka_down(self._settings, error) from None

    def _send(self, topic: str, key: bytes, payload: bytes) -> None:
        """Hand a record to the client, whose own buffer has no bound: ours keeps a slow broker from filling memory.

        The record's Kafka time is that of sending: the event's own may lie beyond the topic's retention.
        """
        try:
            self._pending.append(self._producer.send(topic, value=payload, key=key))
        except KafkaError as error:
            self._fail(error)
        if len(self._pending) >= MAX_PENDING:
            self._settle(down_to=MAX_PENDING - BLOCK)

    def _settle(self, *, down_to: int) -> None:
        """Wait until at most so many records are unacknowledged."""
        while len(self._pending) > down_to:
            self._settle_oldest()

    def _settle_done(self) -> None:
        """Count what was acknowledged meanwhile; so a failure is noticed soon, even at a slow pace."""
        while self._pending and self._pending[0].is_done:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        future = self._pending.popleft()
        try:
            if not future.is_done:
                future.get(timeout=DELIVERY_S + 1)
        except KafkaError as error:
            self._fail(error)
        if future.failed():
            self._fail(future.exception)
        self._acknowledged += 1

    def _fail(self, error: Exception) -> NoReturn:
        raise FreshetError(
            f"Kafka at {self._settings.kafka.bootstrap_servers} stopped taking records after {self._acknowledged:,} "
            f"({reason(error)}); see that it runs and send them again: what is there already is dropped by "
            "its event id."
        ) from None


def produce(
    records: Iterable[Record],
    settings: Settings,
    topic: str = INTERACTIONS,
    *,
    pace: Pace = AS_FAST_AS_POSSIBLE,
    on_progress: Callable[[int], None] = lambda sent: None,
) -> int:
    """Send records over a connection of their own; see `EventProducer.produce`."""
    with EventProducer(settings) as producer:
        return producer.produce(records, topic, pace=pace, on_progress=on_progress)


def produce_one(record: Record, settings: Settings, topic: str = INTERACTIONS) -> Ack:
    """Send one record over a connection of its own; keep an `EventProducer` where there are many."""
    with EventProducer(settings, linger_ms=0) as producer:
        return producer.produce_one(record, topic)


def _config(settings: Settings) -> dict[str, object]:
    return {
        "bootstrap_servers": servers(settings),
        "client_id": "freshet-replay",
        "acks": "all",
        "enable_idempotence": True,
        "batch_size": 131_072,
        "partitioner": KeyPartitioner(),
        "delivery_timeout_ms": DELIVERY_S * 1000,
        "request_timeout_ms": DELIVERY_S * 250,  # so that a request can be tried again
        "bootstrap_timeout_ms": CONNECT_MS,
        "max_block_ms": CONNECT_MS,
        "allow_auto_create_topics": False,  # the broker's defaults would give it the wrong partitions
        "metrics_enabled": False,
    }
