"""The producer against a client that keeps records in memory; the real broker is in `tests/stack/`."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from kafka.errors import KafkaTimeoutError
from kafka.partitioner import DefaultPartitioner

from freshet.errors import FreshetError
from freshet.replay import produce as module
from freshet.replay.produce import Ack, EventProducer, KeyPartitioner, slot
from freshet.schemas.avro import Encoder
from freshet.schemas.registry import Registry, SchemaNotFound
from freshet.schemas.topics import CATALOG, INTERACTIONS
from freshet.settings import Settings


class Metadata:
    partition, offset = 2, 41


class Future:
    """A record's future: done at once, or only when somebody waits for it, or failed."""

    def __init__(self, error: Exception | None = None, done: bool = False) -> None:
        self.exception, self.is_done = error, done

    def failed(self) -> bool:
        return self.is_done and self.exception is not None

    def get(self, timeout: float) -> Metadata:
        self.is_done = True
        if self.exception:
            raise self.exception
        return Metadata()


class FakeKafka:
    """Stands in for `KafkaProducer`."""

    last: ClassVar["FakeKafka"]
    fail_after = 10**9
    topics: ClassVar[set[str]] = {INTERACTIONS, CATALOG}

    def __init__(self, **config: Any) -> None:
        FakeKafka.last = self
        self.config = config
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.abandoned = False
        self._sender = self

    def partitions_for(self, topic: str) -> set[int]:
        if topic not in self.topics:
            raise KafkaTimeoutError("Failed to update metadata after 10.0 secs.")
        return {0, 1, 2, 3}

    def send(self, topic: str, value: bytes, key: bytes) -> Future:
        self.sent.append((topic, key, value))
        failed = len(self.sent) > self.fail_after
        return Future(KafkaTimeoutError("Expiring 1 record(s)") if failed else None)

    def force_close(self) -> None:
        self.abandoned = True

    def close(self, timeout: float) -> None:
        pass


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventProducer]:
    monkeypatch.setattr(module, "KafkaProducer", FakeKafka)
    monkeypatch.setattr(Registry, "id_of", lambda *_: 7)
    with EventProducer(Settings(_env_file=None)) as producer:
        yield producer


def an_event(number: int, user: str = "u1") -> dict[str, Any]:
    return {"event_id": f"e{number}", "user_id": user, "event_type": "view", "item_id": "i", "event_time": number}


def events(count: int) -> Iterator[dict[str, Any]]:
    return (an_event(number, user=f"u{number % 3}") for number in range(count))


def test_records_are_keyed_framed_and_in_order(producer: EventProducer) -> None:
    assert producer.produce(events(5)) == 5
    encode = Encoder("interactions", 7)
    assert FakeKafka.last.sent == [
        (INTERACTIONS, f"u{number % 3}".encode(), encode(event)) for number, event in enumerate(events(5))
    ]


def test_the_catalogue_is_keyed_by_item(producer: EventProducer) -> None:
    producer.produce([{"item_id": "i9", "updated_at": 1}], CATALOG)
    assert FakeKafka.last.sent == [(CATALOG, b"i9", Encoder("catalog", 7)({"item_id": "i9", "updated_at": 1}))]


def test_the_client_waits_for_all_replicas_and_never_makes_topics(producer: EventProducer) -> None:
    config = FakeKafka.last.config
    assert (config["acks"], config["enable_idempotence"]) == ("all", True)
    assert config["allow_auto_create_topics"] is False


def test_no_more_than_the_bound_is_unacknowledged(producer: EventProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 100)
    monkeypatch.setattr(module, "BLOCK", 10)
    high = []
    for number, event in enumerate(events(500)):
        producer._send(INTERACTIONS, b"k", producer.encoder(INTERACTIONS)(event))
        high.append(len(producer._pending))
        assert producer._acknowledged + len(producer._pending) == number + 1
    assert max(high) < 100


def test_a_broker_that_stops_is_told_in_one_sentence_with_the_count(
    producer: EventProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeKafka, "fail_after", 30)
    with pytest.raises(FreshetError, match=r"stopped taking records after 30 .*Expiring 1 record.*send them again"):
        producer.produce(events(50))


def test_after_an_error_nobody_waits_for_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KafkaProducer", FakeKafka)
    with pytest.raises(KeyboardInterrupt), EventProducer(Settings(_env_file=None)):
        raise KeyboardInterrupt
    assert FakeKafka.last.abandoned


def test_without_an_error_everything_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KafkaProducer", FakeKafka)
    with EventProducer(Settings(_env_file=None)):
        pass
    assert not FakeKafka.last.abandoned


def test_progress_is_heard_and_ends_at_the_count(producer: EventProducer) -> None:
    heard: list[int] = []
    producer.produce(events(2_500), on_progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 2_500
    assert len(heard) >= 3


def test_one_record_returns_where_it_lies(producer: EventProducer) -> None:
    assert producer.produce_one(an_event(1)) == Ack(partition=2, offset=41)


def test_a_missing_topic_says_how_to_make_it(producer: EventProducer) -> None:
    with pytest.raises(FreshetError, match=r"has no topic `nope`.*freshet schemas register"):
        producer.produce_bytes("nope", b"k", b"v")


def test_a_missing_schema_says_how_to_register_it(producer: EventProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    def id_of(*_: object) -> int:
        raise SchemaNotFound("Subject not found.")

    monkeypatch.setattr(Registry, "id_of", id_of)
    with pytest.raises(FreshetError, match=r"schema of `interactions`; register it with `freshet schemas register`"):
        producer.produce(events(1))


def test_no_broker_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise KafkaTimeoutError("Unable to bootstrap")

    monkeypatch.setattr(module, "KafkaProducer", refuse)
    with pytest.raises(FreshetError, match=r"does not answer \(Unable to bootstrap\); start it with `freshet up`"):
        EventProducer(Settings(_env_file=None))


class Cluster:
    """A cluster's metadata with one topic of four partitions."""

    def topics(self) -> set[str]:
        return {INTERACTIONS}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0, 1, 2, 3}

    available_partitions_for_topic = partitions_for_topic


def test_a_key_lies_where_every_other_client_puts_it() -> None:
    ours, theirs = KeyPartitioner(), DefaultPartitioner()
    for user in range(2_000):
        key = str(user).encode()
        place = (INTERACTIONS, key, key, b"v", b"v", Cluster())
        assert ours.partition(*place) == theirs.partition(*place)


# What Kafka's own test of `Utils.murmur2` expects.
JAVA_HASHES = {b"21": -973932308, b"foobar": -790332482, b"abc": 479470107, b"a-little-bit-long-string": -985981536}


@pytest.mark.parametrize(("key", "java_hash"), JAVA_HASHES.items())
def test_the_hash_is_that_of_the_java_client(key: bytes, java_hash: int) -> None:
    for partitions in (1, 4, 7, 100):
        assert slot(key, partitions) == (java_hash & 0x7FFFFFFF) % partitions
