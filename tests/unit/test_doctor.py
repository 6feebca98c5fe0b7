"""What the doctor makes of the facts; nobody is asked for them."""

import doctest
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freshet.commands.doctor import columns
from freshet.commands.schemas import Finding as Schema
from freshet.doctor import cluster, finding, state
from freshet.doctor.broker import Lag, judge_lag, judge_lags, judge_topics
from freshet.doctor.cluster import (
    Capacity,
    Checkpoints,
    Running,
    checkpoints_of,
    judge_capacity,
    judge_checkpoints,
    judge_definitions,
    judge_job,
    judge_jobs,
)
from freshet.doctor.events import Archive, judge_archive
from freshet.doctor.finding import Finding, found
from freshet.doctor.local import judge_key_file, judge_settings, variables
from freshet.doctor.registry import judge_schemas
from freshet.doctor.state import Sample, ViewSize, judge_state, sizes
from freshet.doctor.store import Store, judge_memory, judge_persistence, judge_version, store_of
from freshet.errors import FreshetError
from freshet.topics import TopicReport
from freshet.udfs.views import View

GIB = 1 << 30
CAPACITY = Capacity("2.3.0", taskmanagers=1, slots=4, free_slots=1, heap_bytes=GIB, managed_bytes=GIB // 2)
MADE = Checkpoints(interval_s=5.0, age_s=4.0, took_s=0.3, state_bytes=20_000_000, backend="HashMapStateBackend")
STORE = Store(
    "store:6379", "7.2.4", "standalone", 1_000, 0, "noeviction", append_only=True, saves="", last_write_ok=True
)


def levels(findings: Any) -> list[str]:
    return [one.level for one in findings]


def test_a_part_that_does_not_answer_is_one_problem_with_its_sentence() -> None:
    def look() -> list[Finding]:
        raise FreshetError("It does not answer; start it.")

    assert found("redis", look) == [Finding("redis", "problem", "It does not answer; start it.")]


# ---- Settings, key --------------------------------------------------------------------------------------------------


def test_every_setting_is_known_by_its_variable() -> None:
    assert {"FRESHET_KAFKA__BOOTSTRAP_SERVERS", "FRESHET_PRIVACY__PSEUDONYM_KEY"} <= set(variables())
    assert levels(judge_settings(dict.fromkeys(variables(), ""))) == ["ok"]


def test_a_misspelt_variable_is_told_with_the_one_that_was_meant() -> None:
    [strange, _] = judge_settings({"FRESHET_KAFKA__BOOTSTRAP_SERVER": "a:1", "PATH": "/bin"})
    assert strange.level == "warning"
    assert "FRESHET_KAFKA__BOOTSTRAP_SERVERS?" in strange.text


@pytest.mark.parametrize(("mode", "level"), [(0o100600, "ok"), (0o100640, "warning"), (0o100604, "warning")])
def test_a_key_that_others_can_read_is_a_warning(mode: int, level: str) -> None:
    assert judge_key_file(Path("pseudonym.key"), mode).level == level


# ---- Topics, schemas, lag -------------------------------------------------------------------------------------------


def test_a_missing_topic_is_a_problem() -> None:
    assert levels(judge_topics(TopicReport((), ("interactions",), ()), "a:1")) == ["ok"]
    [told] = judge_topics(TopicReport((), (), ("Topic interactions is missing; make it.",)), "a:1")
    assert (told.level, told.text) == ("problem", "Topic interactions is missing; make it.")


@pytest.mark.parametrize("status", ["new", "new version", "incompatible"])
def test_a_schema_that_is_not_registered_as_it_is_written_is_a_problem(status: Any) -> None:
    right, wrong = Schema("a-value", "unchanged", id=1), Schema("b-value", status, ("it lost a field",))
    assert levels(judge_schemas([right], "http://r")) == ["ok"]
    [told] = judge_schemas([right, wrong], "http://r")
    assert told.level == "problem"
    assert told.text.startswith("b-value")


@pytest.mark.parametrize(
    ("records", "seconds", "level"), [(0, 0.0, "ok"), (900, 4.0, "ok"), (900, 70.0, "warning"), (9, 4_000.0, "problem")]
)
def test_a_job_is_behind_by_the_age_of_what_it_has_not_read(records: int, seconds: float, level: str) -> None:
    assert judge_lag(Lag("ingest", "interactions", records, seconds)).level == level


@pytest.mark.parametrize(
    ("seconds", "level"), [(70.0, "ok"), (130.0, "warning"), (950.0, "warning"), (990.0, "problem")]
)
def test_what_a_job_may_have_read_since_its_last_checkpoint_does_not_count(seconds: float, level: str) -> None:
    assert judge_lag(Lag("features", "interactions.clean", 9, seconds, told_every_s=60.0)).level == level


def test_nothing_is_said_of_the_lag_of_a_job_that_does_not_run() -> None:
    lags = [Lag("ingest", "interactions", 9, 4_000.0), Lag("features", "interactions.clean", None)]
    assert [one.text.split()[0] for one in judge_lags(lags, ["features"])] == ["features"]


# ---- Redis ----------------------------------------------------------------------------------------------------------


def test_a_store_that_keeps_and_has_room_is_right() -> None:
    assert [judge(STORE).level for judge in (judge_version, judge_memory, judge_persistence)] == ["ok"] * 3


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"max_bytes": GIB, "policy": "allkeys-lru"}, "problem"),
        ({"max_bytes": 0, "policy": "allkeys-lru"}, "ok"),  # without a limit nothing is evicted
        ({"max_bytes": 1_050}, "problem"),
        ({"max_bytes": 1_300}, "warning"),
        ({"max_bytes": GIB}, "ok"),
    ],
)
def test_a_store_must_not_evict_nor_run_full(changes: dict[str, Any], level: str) -> None:
    assert judge_memory(replace(STORE, **changes)).level == level


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"append_only": False}, "warning"),
        ({"append_only": False, "saves": "3600 1"}, "ok"),
        ({"last_write_ok": False}, "problem"),
    ],
)
def test_a_store_should_keep_values_on_disk(changes: dict[str, Any], level: str) -> None:
    assert judge_persistence(replace(STORE, **changes)).level == level


@pytest.mark.parametrize(
    ("version", "mode", "level"), [("6.0.9", "standalone", "warning"), ("7.4.0", "cluster", "problem")]
)
def test_a_store_must_be_one_server_that_is_not_too_old(version: str, mode: str, level: str) -> None:
    assert judge_version(replace(STORE, version=version, mode=mode)).level == level


def test_what_a_server_leaves_out_of_its_answer_is_taken_as_usual() -> None:
    store = store_of("store:6379", {"redis_version": "7.2.4", "used_memory": 1_000, "aof_enabled": 1}, "")
    assert store == STORE


# ---- Flink ----------------------------------------------------------------------------------------------------------


def test_a_cluster_without_a_taskmanager_is_a_problem() -> None:
    assert levels(judge_capacity(CAPACITY)) == ["ok"]
    assert levels(judge_capacity(replace(CAPACITY, taskmanagers=0))) == ["problem"]
    assert levels(judge_capacity(replace(CAPACITY, version="1.20.0"))) == ["warning", "ok"]


def test_a_wanted_job_that_does_not_run_is_a_problem_and_another_is_not_spoken_of() -> None:
    jobs = [Running("features", "RUNNING", 90.0, checkpoints=MADE), Running("scoring"), Running("rules")]
    told = list(judge_jobs(jobs, CAPACITY, ["features", "scoring"]))
    assert levels(told) == ["ok", "ok", "problem"]
    assert "freshet submit scoring" in told[-1].text


def test_rules_that_are_declared_and_do_not_run_are_a_warning() -> None:
    assert levels(judge_jobs([Running("rules")], CAPACITY, ["rules"])) == ["warning"]


def test_who_lacks_a_slot_is_told_so() -> None:
    [told] = judge_jobs([Running("scoring")], replace(CAPACITY, free_slots=0), ["scoring"])
    assert "numberOfTaskSlots" in told.text


@pytest.mark.parametrize(
    ("state", "failure_age_s", "level"),
    [("RUNNING", None, "ok"), ("RUNNING", 9_000.0, "ok"), ("RUNNING", 60.0, "warning"), ("RESTARTING", 1.0, "problem")],
)
def test_a_job_that_restarts_is_a_problem_and_one_that_did_so_lately_a_warning(
    state: str, failure_age_s: float | None, level: str
) -> None:
    told = judge_job(Running("features", state, 90.0, "no route to host", failure_age_s))
    assert told.level == level
    assert level == "ok" or "no route to host" in told.text


@pytest.mark.parametrize(
    ("age_s", "changes", "level"),
    [
        (9.0, {"age_s": None}, "ok"),
        (900.0, {"age_s": None}, "problem"),
        (900.0, {}, "ok"),
        (900.0, {"age_s": 300.0, "failed": 9}, "problem"),
        (900.0, {"failed": 1, "failure_age_s": 60.0}, "warning"),
        (9_000.0, {"failed": 1, "failure_age_s": 6_000.0}, "ok"),
    ],
)
def test_a_job_without_fresh_checkpoints_is_a_problem(age_s: float, changes: dict[str, Any], level: str) -> None:
    assert judge_checkpoints("features", age_s, replace(MADE, **changes)).level == level


def test_the_facts_of_checkpoints_are_read_from_flinks_answer() -> None:
    completed = {"latest_ack_timestamp": 6_000, "end_to_end_duration": 300, "state_size": 20_000_000}
    answer = {"counts": {"failed": 2}, "latest": {"completed": completed, "failed": {"failure_timestamp": 9_000}}}
    found = checkpoints_of(answer, {"interval": 5_000, "state_backend": "HashMapStateBackend"}, now_ms=10_000.0)
    assert found == replace(MADE, failed=2, failure_age_s=1.0)
    nothing = checkpoints_of({"counts": {"failed": 0}, "latest": {"completed": None}}, {"interval": 5_000}, now_ms=0.0)
    assert nothing == Checkpoints(interval_s=5.0)


def test_a_job_that_computes_other_features_than_are_registered_is_a_warning() -> None:
    assert judge_definitions("a", "a").level == "ok"
    assert judge_definitions("a", "b").level == "warning"
    assert judge_definitions(None, "b").level == "warning"


# ---- Archive, state -------------------------------------------------------------------------------------------------


def test_an_archive_is_judged_by_whether_newer_events_wait() -> None:
    assert levels(judge_archive(Archive("a"))) == ["warning"]
    assert levels(judge_archive(Archive("a", 3, 9_000.0, is_behind=False))) == ["ok"]
    assert levels(judge_archive(Archive("a", 3, 9_000.0, is_behind=True))) == ["warning"]


@pytest.mark.parametrize(
    ("state_bytes", "backend", "level", "advice"),
    [
        (GIB // 20, "HashMapStateBackend", "ok", "the heap is right"),
        (GIB // 2, "HashMapStateBackend", "warning", "rocksdb"),
        (GIB // 2, "EmbeddedRocksDBStateBackend", "ok", "RocksDB is right"),
        (GIB // 100, "EmbeddedRocksDBStateBackend", "ok", "hashmap"),
    ],
)
def test_the_backend_is_judged_by_what_fits_the_heap(state_bytes: int, backend: str, level: str, advice: str) -> None:
    [told] = judge_state(state_bytes, backend, CAPACITY)
    assert told.level == level
    assert advice in told.text


def a_view(name: str) -> View:
    return View(name, ("subject",), (), 0)


def test_entities_are_counted_by_the_share_of_a_sample() -> None:
    sample = Sample(keys=50_000, looked_at=1_000, holding={"a": 400}, stored_bytes={"a": 400 * 2_000})
    measured = {"a": {"entities": 9_000.0, "state_bytes": 812.4}}
    assert sizes([a_view("a"), a_view("b")], measured, sample) == [
        ViewSize("a", entities=20_000, touched=9_000, state_bytes=812, stored_bytes=2_000),
        ViewSize("b", entities=0, touched=0, state_bytes=None, stored_bytes=None),
    ]


def test_of_an_empty_store_nothing_is_known() -> None:
    [nothing] = sizes([a_view("a")], {}, Sample(0, 0, {}, {}))
    assert nothing == ViewSize("a", 0, 0, None, None)


@pytest.mark.parametrize("module", [cluster, finding, state], ids=lambda module: module.__name__)
def test_the_examples_of_a_module_are_true(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def test_columns_stand_under_each_other() -> None:
    assert list(columns([("view", "n"), ("a", "1,000")])) == ["view      n", "a     1,000"]
