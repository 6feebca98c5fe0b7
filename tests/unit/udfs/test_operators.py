"""The shells around the functions, called as Flink calls them: what goes in, what comes out."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from builders import NOON, a_click
from freshet.schemas.avro import Decoder, Encoder, schema_text
from freshet.schemas.registry import SchemaNotFound
from freshet.schemas.topics import INTERACTIONS, INTERACTIONS_CLEAN, INTERACTIONS_REJECTED
from freshet.udfs.catalogue import Catalogue, Place
from freshet.udfs.pseudonym import KEY_VARIABLE, load_key, subject_of

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
