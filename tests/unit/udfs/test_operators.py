"""The shells around the functions, called as Flink calls them: what goes in, what comes out."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from builders import NOON, a_click
from freshet.schemas.avro import Decoder, Encoder, schema_text
from freshet.schemas.registry import SchemaNotFound
from freshet.schemas.topics import FEATURE_UPDATES, INTERACTIONS, INTERACTIONS_CLEAN, INTERACTIONS_REJECTED
from freshet.udfs.catalogue import Catalogue, Place
from freshet.udfs.pseudonym import KEY_VARIABLE, load_key, subject_of
from freshet.udfs.top_n import Places, TopList
from freshet.udfs.versions import Version

# PyFlink warns of its own classes when it is imported, so that is left to the tests.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

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


class TwoLists:
    """Makes two lists of whoever is announced last."""

    tier, provider = "light", "CPUExecutionProvider"

    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.is_closed = False

    @property
    def gauges(self) -> Any:
        return {"catalog_age_ms": lambda: 12.6, "popularity_age_ms": lambda: float("inf")}

    def recommend(self, updates: Any) -> list[TopList]:
        self.updates += updates
        return [
            TopList(place, updates[-1][0], Places.of([]), "m/1", self.tier, Version(5, 2), 7, updates[-1][3])
            for place in ("home", "cart")
        ]

    def close(self) -> None:
        self.is_closed = True


def test_a_batch_comes_out_as_metrics_and_the_json_of_its_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    from freshet.udfs.operators import score

    registry = {7: schema_text(FEATURE_UPDATES)}
    monkeypatch.setattr(score, "Registry", lambda url: SimpleNamespace(schema=registry.__getitem__))
    maker = TwoLists()
    function = score.ScoreUpdates(lambda: maker, lambda *told: told, "http://registry")
    function.open(None)
    try:
        update = {
            "as_of": NOON,
            "version": 3,
            "views": [],
            "event_type": "view",
            "event_time": NOON,
            "written_at": NOON,
        }
        payloads = [Encoder(FEATURE_UPDATES, 7)(update | {"subject": who, "event_id": who * 2}) for who in ("a", "b")]
        told, *lists = function.eval(payloads)
    finally:
        function.close()
    assert maker.updates == [("a", NOON, 3, "aa", None), ("b", NOON, 3, "bb", None)]
    assert [(one["placement"], one["subject"], one["event_id"]) for one in map(orjson.loads, lists)] == [
        ("home", "b", "bb"),
        ("cart", "b", "bb"),
    ]
    metrics = orjson.loads(told)
    assert (metrics["lists_made"], metrics["catalog_age_ms"], metrics["popularity_age_ms"]) == (2, 13, score.LARGEST)
    assert {name for name, told in metrics["tier"].items() if told["active"]} == {"light"}
    assert metrics["provider"] == {"CPUExecutionProvider": {"active": 1}}
    assert metrics["batch_users"] == {"2": {"batches": 1}}
    assert sum(bucket["batches"] for bucket in metrics["batch_ms"].values()) == 1
    assert maker.is_closed
