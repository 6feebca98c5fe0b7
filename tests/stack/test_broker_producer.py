"""The producer against the real broker: nothing lost, nothing twice, each user's events in order."""

import gc
import threading
from collections import defaultdict
from collections.abc import Iterator
from threading import Timer
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, TopicPartition

from freshet.errors import FreshetError
from freshet.replay import produce as module
from freshet.replay.pace import Pace
from freshet.replay.produce import EventProducer, slot
from freshet.schemas.avro import Decoder, Encoder, schema_text
from freshet.schemas.topics import Topic
from freshet.settings import Settings
from freshet.topics import admin, create_topics, servers

if TYPE_CHECKING:
    from freshet.stack.stack import Stack

NOON = 1_514_808_000_000

# The Kafka client leaves the sockets of failed connections to the garbage collector.
pytestmark = [pytest.mark.usefixtures("stack"), pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


@pytest.fixture(autouse=True)
def sockets_are_collected() -> Iterator[None]:
    """Collect them while the warning is still ignored, not in some later test."""
    yield
    gc.collect()


@pytest.fixture
def topic(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A topic of four partitions that takes interactions and is deleted afterwards."""
    topic = Topic(f"test-{uuid4().hex}", partitions=4, retention_ms=3_600_000)
    create_topics(settings, [topic])
    monkeypatch.setitem(module.KEY_FIELDS, topic.name, "user_id")
    monkeypatch.setattr(EventProducer, "encoder", lambda self, name: Encoder("interactions", 7))
    yield topic.name
    with admin(settings) as client:
        client.delete_topics([topic.name])


def events(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        user = f"u{number % 37}"
        yield {
            "event_id": f"e{number}",
            "user_id": user,
            "item_id": "i",
            "event_type": "view",
            "event_time": NOON + number,
        }


def records(settings: Settings, topic: str) -> list[Any]:
    """Return everything that the topic holds, partition by partition."""
    partitions = [TopicPartition(topic, partition) for partition in range(4)]
    with KafkaConsumer(
        bootstrap_servers=servers(settings), enable_auto_commit=False, consumer_timeout_ms=10_000
    ) as consumer:
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        wanted = sum(consumer.end_offsets(partitions).values())
        found: list[Any] = []
        while len(found) < wanted:
            found += [record for batch in consumer.poll(timeout_ms=1_000).values() for record in batch]
    return found


def test_every_event_is_there_once_and_each_users_in_order(settings: Settings, topic: str) -> None:
    with EventProducer(settings) as producer:
        assert producer.produce(events(20_000), topic) == 20_000
    decode = Decoder("interactions", lambda _: schema_text("interactions"))
    by_user = defaultdict(list)
    for record in records(settings, topic):
        event = decode(record.value)
        assert record.key == event["user_id"].encode()
        assert record.partition == slot(record.key, 4)
        by_user[event["user_id"]].append(event["event_time"])
    assert sum(map(len, by_user.values())) == len({time for times in by_user.values() for time in times}) == 20_000
    assert all(times == sorted(times) for times in by_user.values())


def test_a_broker_that_is_killed_midway_loses_and_doubles_nothing(
    stack: "Stack", settings: Settings, topic: str
) -> None:
    def crash() -> None:
        stack.kill("kafka")
        stack.start("kafka")

    crashing = Timer(1.0, crash)
    crashing.start()
    with EventProducer(settings) as producer:
        sent = producer.produce(events(20_000), topic, pace=Pace(rate=5_000))
    crashing.join()
    assert sent == 20_000
    ids = [
        Decoder("interactions", lambda _: schema_text("interactions"))(r.value)["event_id"]
        for r in records(settings, topic)
    ]
    assert sorted(ids) == sorted(f"e{number}" for number in range(20_000))


def test_a_broker_that_stays_away_is_told_in_one_sentence_and_leaves_no_thread(
    stack: "Stack", settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELIVERY_S", 4)
    crashing = Timer(1.0, stack.kill, ["kafka"])
    crashing.start()
    try:
        with pytest.raises(FreshetError, match="stopped taking records after"), EventProducer(settings) as producer:
            producer.produce(events(20_000), topic, pace=Pace(rate=1_000))
    finally:
        crashing.join()
        stack.start("kafka")
    assert not [thread.name for thread in threading.enumerate() if "freshet-replay" in thread.name]


def test_one_record_is_where_the_answer_says(settings: Settings, topic: str) -> None:
    [event] = events(1)
    with EventProducer(settings, linger_ms=0) as producer:
        acks = [producer.produce_one(event, topic) for _ in range(3)]
    assert [ack.offset for ack in acks] == [0, 1, 2]
    assert {(record.partition, record.offset) for record in records(settings, topic)} == set(acks)


def test_bytes_are_sent_as_they_are(settings: Settings, topic: str) -> None:
    with EventProducer(settings) as producer:
        producer.produce_bytes(topic, b"k", b"not Avro")
        producer.produce_bytes(topic, b"k", None)
    assert [record.value for record in records(settings, topic)] == [b"not Avro", None]


def test_a_missing_topic_is_told_and_not_made(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_MS", 1_500)
    missing = f"test-{uuid4().hex}"
    with EventProducer(settings) as producer, pytest.raises(FreshetError, match=f"has no topic `{missing}`"):
        producer.produce_bytes(missing, b"k", b"v")
    with admin(settings) as client:
        assert missing not in client.list_topics()
