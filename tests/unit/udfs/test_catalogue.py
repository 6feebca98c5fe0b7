"""The catalogue in a worker: the state of the topic when it starts, and every change after that, whatever fails."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from kafka import TopicPartition

from freshet.schemas.avro import Encoder, schema_text
from freshet.schemas.registry import RegistryUnreachable, SchemaNotFound
from freshet.udfs import catalogue_topic
from freshet.udfs.catalogue import NOWHERE, Catalogue, Change, Place
from freshet.udfs.catalogue_topic import shared_catalogue

# The thread that follows the catalogue never ends by itself; here SystemExit ends it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")

MILK, TEA = Place("GROCERY", "FLUID MILK PRODUCTS"), Place("GROCERY", "TEA")
CATALOG_ID = 2
TIMEOUT_S = 20


def test_an_item_is_where_the_latest_change_put_it() -> None:
    catalogue = Catalogue()
    catalogue.apply([("1", MILK), ("2", TEA)])
    catalogue.apply([("1", TEA), ("2", None), ("3", None)])
    assert (catalogue.place_of("1"), catalogue.place_of("2"), len(catalogue)) == (TEA, NOWHERE, 1)


@pytest.mark.parametrize("item_id", [None, "", "unknown"])
def test_an_unknown_item_is_nowhere(item_id: str | None) -> None:
    assert Catalogue().place_of(item_id) == Place(None, None, None, None)


def test_a_change_that_could_not_be_read_is_tried_again() -> None:
    answers: deque[Exception | list[Change]] = deque(
        [RuntimeError("no answer"), RuntimeError("still none"), [("1", MILK)]]
    )

    def poll() -> Iterable[Change]:
        if not answers:
            raise SystemExit  # ends the thread
        answer = answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    catalogue = Catalogue()
    thread = catalogue.follow(poll, pause_s=0.0)
    thread.join(TIMEOUT_S)
    assert not thread.is_alive()
    assert thread.daemon, "it must not keep a worker alive"
    assert catalogue.place_of("1") == MILK


# ---- The topic ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FakeRecord:
    offset: int
    key: bytes | None
    value: bytes | None


encode = Encoder("catalog", CATALOG_ID)


def an_item(offset: int, item_id: str, place: Place) -> FakeRecord:
    record = {"item_id": item_id, "department": place.department, "category": place.category, "updated_at": 0}
    return FakeRecord(offset, item_id.encode(), encode(record))


class FakeKafka:
    """Stands in for `KafkaConsumer` over one partition; gives one record a poll, and ends the thread when it is told."""

    def __init__(self, log: list[FakeRecord]) -> None:
        self.log = log
        self.partition = TopicPartition("catalog", 0)
        self.at = 0
        self.appended = threading.Event()
        self.is_over = False

    def __call__(self, **_: Any) -> "FakeKafka":
        return self

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0}

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert partitions == [self.partition]

    def seek_to_beginning(self) -> None:
        self.at = 0

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.at = offset

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {self.partition: len(self.log)}

    def position(self, partition: TopicPartition) -> int:
        return self.at

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[FakeRecord]]:
        if self.at == len(self.log):
            if self.is_over:
                raise SystemExit
            self.appended.wait(timeout_ms / 1000)
            self.appended.clear()
            return {}
        self.at += 1
        return {self.partition: [self.log[self.at - 1]]}

    def append(self, *records: FakeRecord) -> None:
        self.log += records
        self.appended.set()


class FakeRegistry:
    """Knows the catalogue's schema; refuses to answer as often as it is told."""

    def __init__(self) -> None:
        self.failures = 0

    def __call__(self, url: str) -> "FakeRegistry":
        return self

    def schema(self, schema_id: int) -> str:
        if self.failures:
            self.failures -= 1
            raise RegistryUnreachable("no answer")
        if schema_id not in (CATALOG_ID, CATALOG_ID + 1):
            raise SchemaNotFound(f"no schema {schema_id}")
        return schema_text("catalog")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    fake = FakeRegistry()
    monkeypatch.setattr(catalogue_topic, "Registry", fake)
    return fake


def loaded(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """Return the catalogue of a worker that has just started."""
    monkeypatch.setattr(catalogue_topic, "KafkaConsumer", kafka)
    monkeypatch.setattr(catalogue_topic, "FAILURE_PAUSE_S", 0.0)
    catalogue_topic._load.cache_clear()
    return shared_catalogue("kafka:9092", "http://registry")


def finish(kafka: FakeKafka) -> None:
    """Let the thread read what there is and end."""
    kafka.is_over = True
    kafka.appended.set()
    for thread in threading.enumerate():
        if thread.name == "catalogue":
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()


def test_a_worker_begins_with_the_whole_catalogue(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = FakeRecord(2, b"2", None)
    kafka = FakeKafka([an_item(0, "1", TEA), an_item(1, "2", TEA), gone, an_item(3, "1", MILK)])
    catalogue = loaded(kafka, monkeypatch)
    assert (catalogue.place_of("1"), catalogue.place_of("2"), len(catalogue)) == (MILK, NOWHERE, 1)
    finish(kafka)


def test_a_worker_learns_what_changes_later(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = FakeKafka([an_item(0, "1", TEA)])
    catalogue = loaded(kafka, monkeypatch)
    kafka.append(an_item(1, "1", MILK), an_item(2, "3", TEA))
    finish(kafka)
    assert (catalogue.place_of("1"), catalogue.place_of("3")) == (MILK, TEA)


def test_all_that_ask_in_one_process_share_one_catalogue(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = FakeKafka([an_item(0, "1", TEA)])
    assert loaded(kafka, monkeypatch) is shared_catalogue("kafka:9092", "http://registry")
    finish(kafka)


@pytest.mark.parametrize(
    "value",
    [b"{}", b"\x00\x00\x00\x00\x63x", b"\x00\x00\x00\x00\x02\x02"],
    ids=["not framed", "an unknown schema", "cut short"],
)
def test_a_record_that_cannot_be_read_is_left_out(
    value: bytes, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = FakeKafka([FakeRecord(0, b"1", value), an_item(1, "2", TEA)])
    catalogue = loaded(kafka, monkeypatch)
    finish(kafka)
    assert (catalogue.place_of("1"), catalogue.place_of("2")) == (NOWHERE, TEA)
    assert "offset 0 is left out" in caplog.text


def test_a_change_is_not_lost_when_the_registry_does_not_answer(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new producer brings a new schema id, at a moment when the registry is down."""
    kafka = FakeKafka([an_item(0, "1", TEA)])
    catalogue = loaded(kafka, monkeypatch)
    registry.failures = 3
    newer = an_item(1, "1", MILK)
    kafka.append(
        FakeRecord(
            1, newer.key, Encoder("catalog", CATALOG_ID + 1)({"item_id": "1", "category": "TEA BAGS", "updated_at": 0})
        )
    )
    finish(kafka)
    assert catalogue.place_of("1") == Place(None, "TEA BAGS")
