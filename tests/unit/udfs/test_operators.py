"""The shells around the functions, called as Flink calls them: what goes in, what comes out, what is counted."""

import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import redis

from builders import NOON, Record, a_click
from freshet.schemas.avro import Decoder, Encoder, schema_text
from freshet.schemas.registry import SchemaNotFound
from freshet.schemas.topics import FEATURE_UPDATES, INTERACTIONS, INTERACTIONS_CLEAN, INTERACTIONS_REJECTED
from freshet.udfs.catalogue import Catalogue, Place
from freshet.udfs.feast_layout import EntityKeys, int64, pack_row
from freshet.udfs.pseudonym import KEY_VARIABLE, load_key, subject_of
from freshet.udfs.view_sql import EVENT_COLUMNS, KEYS
from freshet.udfs.views import Aggregation, View

# PyFlink warns of its own classes when it is imported, so that is left to the tests.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

UPDATE_ID = 5


class FakeMetrics:
    """Flink's metric group: groups within groups, and counters in them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.path = ""

    def add_group(self, name: str) -> "FakeMetrics":
        within = FakeMetrics()
        within.counts, within.path = self.counts, f"{self.path}{name}."
        return within

    def counter(self, name: str) -> "FakeCounter":
        return FakeCounter(self.counts, self.path + name)


@dataclass(frozen=True)
class FakeCounter:
    counts: "Counter[str]"
    name: str

    def inc(self, by: int) -> None:
        self.counts[self.name] += by


@dataclass(frozen=True)
class FakeContext:
    """What Flink hands to `open`."""

    metrics: FakeMetrics = field(default_factory=FakeMetrics)

    def get_metric_group(self) -> FakeMetrics:
        return self.metrics


# ---- The feature writer ---------------------------------------------------------------------------------------------


def a_view(name: str, *keys: str, ttl: int = 60) -> View:
    return View(name, keys, (Aggregation(f"{name}_count", "count", "event_id", "Int64"),), ttl)


ITEM = a_view("item_popularity", "item_id")
USER = a_view("user_activity", "subject")
PAIR = a_view("user_category_affinity", "subject", "category")
VIEWS = (ITEM, USER, PAIR)


@dataclass
class FakePipe:
    """Stands in for Redis: remembers what it is given, and answers for each entity what it is told to."""

    written: list[tuple[bytes, list[Any]]] = field(default_factory=list)
    stale: set[bytes] = field(default_factory=set)
    is_down: bool = False

    def __call__(self, url: str) -> "FakePipe":
        assert url == "redis://store"
        return self

    def run_script(self, script: object, calls: Sequence[tuple[Sequence[bytes], list[Any]]]) -> list[list[int]]:
        if self.is_down:
            raise redis.ConnectionError("no connection")
        for keys, arguments in calls:
            width = (len(arguments) - 1) // len(keys)
            self.written += [(key, arguments[1 + at * width : 1 + (at + 1) * width]) for at, key in enumerate(keys)]
        return [[int(key not in self.stale) for key in keys] for keys, _ in calls]

    def versions(self, view: View) -> dict[bytes, tuple[int, int]]:
        """Return the as-of time and sequence that each entity of a view was last written with."""
        return {key: (call[1], call[2]) for key, call in self.written if call[0] == f"_v:{view.name}".encode()}


def key_of(view: View, *values: str) -> bytes:
    return EntityKeys("shop", view.keys)(values)


@pytest.fixture
def module() -> ModuleType:
    from freshet.udfs.operators import write_features

    return write_features


@pytest.fixture
def pipe(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> FakePipe:
    fake = FakePipe()
    monkeypatch.setattr(module, "RedisPipe", fake)
    return fake


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()


@pytest.fixture
def writer(module: ModuleType, pipe: FakePipe, context: FakeContext) -> Any:
    function = module.WriteFeatures(module.WriterConfig("redis://store", "shop", UPDATE_ID, VIEWS, "user_activity"))
    function.open(context)
    return function


@dataclass(frozen=True)
class Happened:
    """An event as the SQL hands it on: its columns, and for each view the version that it made."""

    subject: str = "u1"
    item: str | None = "i1"
    category: str | None = "c1"
    sequence: int = 1
    as_of: int = NOON

    def row(self, number: int) -> tuple[Any, ...]:
        event = (f"e-{number}", self.subject, self.item, "click", self.as_of, self.category)
        return event + tuple(pack_row(self.sequence, self.as_of, [int64(self.sequence)]) for _ in VIEWS)


def given(writer: Any, *events: Happened) -> list[Record | None]:
    """Hand the events over as one Arrow batch, and return the announcements."""
    rows = [event.row(number) for number, event in enumerate(events, start=1)]
    columns = [pd.Series(list(column), dtype=object) for column in zip(*rows, strict=True)]
    decode = Decoder(FEATURE_UPDATES, {UPDATE_ID: schema_text(FEATURE_UPDATES)}.__getitem__)
    answer = writer.eval(*columns)
    assert isinstance(answer, pd.Series)
    return [None if update is None else decode(update) for update in answer]


def test_the_writer_is_given_what_keys_are_made_of(module: ModuleType) -> None:
    assert set(KEYS) <= set(module.EVENT_ARGUMENTS) <= set(EVENT_COLUMNS)


def test_the_planner_may_not_call_it_twice_for_a_row(writer: Any) -> None:
    assert not writer.is_deterministic()


def test_each_view_is_written_under_its_own_key(writer: Any, pipe: FakePipe) -> None:
    given(writer, Happened(sequence=7))
    assert pipe.versions(ITEM) == {key_of(ITEM, "i1"): (NOON, 7)}
    assert pipe.versions(USER) == {key_of(USER, "u1"): (NOON, 7)}
    assert pipe.versions(PAIR) == {key_of(PAIR, "u1", "c1"): (NOON, 7)}


def test_of_an_entity_in_a_batch_only_the_newest_is_written(writer: Any, pipe: FakePipe, context: FakeContext) -> None:
    given(writer, Happened(sequence=2), Happened(sequence=3), Happened(sequence=1))
    assert pipe.versions(USER) == {key_of(USER, "u1"): (NOON, 3)}
    assert context.metrics.counts == {"freshet.feature_writes": len(VIEWS), "freshet.feature_writes_refused": 0}


def test_an_event_without_an_item_or_a_category_touches_no_entity_of_that_kind(writer: Any, pipe: FakePipe) -> None:
    given(writer, Happened(item=None, category=None), Happened(subject="u2", category=None, item="i2"))
    assert pipe.versions(ITEM) == {key_of(ITEM, "i2"): (NOON, 1)}
    assert pipe.versions(PAIR) == {}
    assert pipe.versions(USER).keys() == {key_of(USER, "u1"), key_of(USER, "u2")}


def test_a_subjects_newest_event_speaks_for_all_of_the_batch(writer: Any) -> None:
    first, second, other = given(writer, Happened(sequence=1), Happened(sequence=2), Happened("u2", sequence=9))
    assert first is None
    assert second is not None
    assert other is not None
    assert (second["event_id"], second["subject"], second["version"]) == ("e-2", "u1", 2)
    assert (other["event_id"], other["subject"], other["version"]) == ("e-3", "u2", 9)


def test_the_newest_event_is_the_one_of_the_latest_time_whatever_its_place(writer: Any) -> None:
    late = Happened(sequence=1, as_of=NOON + 2)
    announced = given(writer, late, Happened(sequence=2, as_of=NOON + 1))
    assert [update and update["event_id"] for update in announced] == ["e-1", None]


def test_an_announcement_says_what_was_written_and_why(writer: Any) -> None:
    [update] = given(writer, Happened(item=None, category=None, sequence=4))
    assert update is not None
    assert update.pop("written_at") > NOON
    assert update == {
        "subject": "u1",
        "as_of": NOON,
        "version": 4,
        "views": [view.name for view in VIEWS],
        "event_id": "e-1",
        "event_type": "click",
        "event_time": NOON,
        "item_id": None,
        "category": None,
    }


def test_what_the_store_refuses_is_counted_and_announced_all_the_same(
    writer: Any, pipe: FakePipe, context: FakeContext
) -> None:
    """Something newer stands there; who waits for the features may read it."""
    pipe.stale.add(key_of(USER, "u1"))
    [update] = given(writer, Happened())
    assert update is not None
    assert context.metrics.counts == {"freshet.feature_writes": 2, "freshet.feature_writes_refused": 1}


def test_nothing_is_announced_that_was_not_written(writer: Any, pipe: FakePipe) -> None:
    """The failure reaches Flink, which starts again from its checkpoint."""
    pipe.is_down = True
    with pytest.raises(redis.RedisError):
        given(writer, Happened())


@pytest.mark.parametrize(("lifetimes", "seconds"), [((60, 90, 30), 90), ((60, 0, 30), 0)])
def test_an_entity_lives_as_long_as_its_longest_view(
    module: ModuleType, lifetimes: tuple[int, ...], seconds: int
) -> None:
    """A view that lives for ever says 0, which is longer than all."""
    views = tuple(replace(USER, ttl_seconds=ttl) for ttl in lifetimes)
    assert module.WriterConfig("redis://store", "shop", UPDATE_ID, views, "user_activity").key_ttl_seconds == seconds


# ---- The ingest step ------------------------------------------------------------------------------------------------

INTERACTIONS_ID, CLEAN_ID, REJECTED_ID = 1, 3, 4
KEY = "a secret of the tests"


class FakeRegistry:
    """Holds the schema of `interactions`."""

    def __init__(self, url: str) -> None:
        assert url == "http://registry"

    def schema(self, schema_id: int) -> str:
        if schema_id != INTERACTIONS_ID:
            raise SchemaNotFound(f"no schema {schema_id}")
        return schema_text(INTERACTIONS)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    from freshet.udfs.operators import ingest

    catalogue = Catalogue()
    catalogue.apply([("i1", Place(category="TEA"))])
    monkeypatch.setattr(ingest, "shared_catalogue", lambda servers, url: catalogue)
    monkeypatch.setattr(ingest, "Registry", FakeRegistry)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    load_key.cache_clear()
    function = ingest.IngestFunction(
        ingest.IngestConfig("kafka:9092", "http://registry", CLEAN_ID, REJECTED_ID, Path("/nowhere/key"))
    )
    function.open(None)
    load_key.cache_clear()
    return function


def test_a_good_record_comes_out_as_its_subject_and_the_clean_bytes(judge: Any) -> None:
    payload = Encoder(INTERACTIONS, INTERACTIONS_ID)(a_click(user="900", item="i1"))
    subject, value = judge.eval(payload, b"900", 3, 41, NOON)
    clean = Decoder(INTERACTIONS_CLEAN, {CLEAN_ID: schema_text(INTERACTIONS_CLEAN)}.__getitem__)(value)
    assert subject == clean["subject"] == subject_of("900", KEY.encode())
    assert (clean["category"], clean["source_partition"], clean["source_offset"]) == ("TEA", 3, 41)


def test_a_bad_record_comes_out_without_a_subject(judge: Any) -> None:
    subject, value = judge.eval(b"{}", b"900", 3, 41, NOON)
    rejected = Decoder(INTERACTIONS_REJECTED, {REJECTED_ID: schema_text(INTERACTIONS_REJECTED)}.__getitem__)(value)
    assert subject is None
    assert (rejected["topic"], rejected["partition"], rejected["offset"]) == (INTERACTIONS, 3, 41)
    assert (rejected["payload"], rejected["key"], rejected["record_time"]) == (b"{}", b"900", NOON)


def test_the_planner_may_not_judge_a_record_twice(judge: Any) -> None:
    assert not judge.is_deterministic()


def test_no_secret_travels_with_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pickled into the job graph names the file of the key, and holds no key."""
    from freshet.udfs.operators.ingest import IngestConfig, IngestFunction

    monkeypatch.setenv(KEY_VARIABLE, KEY)
    function = IngestFunction(IngestConfig("kafka:9092", "http://registry", CLEAN_ID, REJECTED_ID, Path("/run/key")))
    assert KEY.encode() not in pickle.dumps(function)
