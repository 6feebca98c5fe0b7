"""`freshet doctor` on a stack that is well, and on one that has been harmed in a way that can be undone."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from builders import a_click
from e2e.running import is_running, until
from freshet.replay.produce import produce
from freshet.schemas.topics import INTERACTIONS
from freshet.settings import Settings
from freshet.submit import Cluster
from local_stack import Freshet

pytestmark = pytest.mark.e2e

Report = Callable[..., dict[str, Any]]
DEAD = "127.0.0.1:1"


@pytest.fixture
def report(cluster: Cluster, freshet: Freshet) -> Report:
    """What the doctor says, by subject; `report(name=value)` changes its environment."""

    def ask(**environment: str) -> dict[str, Any]:
        done = Freshet(freshet.environment | environment).run("doctor", "--json")
        told: dict[str, Any] = json.loads(done.stdout)
        told["problems"] = {one["subject"]: one["text"] for one in told["findings"] if one["level"] == "problem"}
        assert done.returncode == (1 if told["problems"] else 0)
        return told

    return ask


def test_a_good_stack_has_no_problem_and_tells_the_size_of_each_view(settings: Settings, report: Report) -> None:
    now = int(time.time() * 1000)
    produce([a_click(user=f"user-doctor-{number}", at=now + number) for number in range(50)], settings, INTERACTIONS)

    def measured() -> dict[str, Any] | None:
        sizes = {one["view"]: one for one in report()["views"]}
        activity: dict[str, Any] | None = sizes.get("user_activity")
        return activity if activity and activity["entities"] >= 50 and activity["touched"] >= 50 else None

    activity = until(measured, "fifty users", timeout_s=120, poll_s=2.0)
    assert 100 < activity["state_bytes"] < 10_000
    assert 100 < activity["stored_bytes"] < 100_000
    told = report()
    assert told["problems"] == {}
    assert {"settings", "key", "model", "topics", "schemas", "redis", "flink", "jobs", "checkpoints", "lag"} <= {
        one["subject"] for one in told["findings"]
    }
    assert sum(told["tasks"].values()) > 0


def test_no_secret_is_printed(report: Report, freshet: Freshet) -> None:
    key = "a-pseudonym-key-of-thirty-letters"
    told = json.dumps(report(FRESHET_PRIVACY__PSEUDONYM_KEY=key, FRESHET_REDIS__URL=f"redis://:hunter2@{DEAD}/0"))
    assert key not in told
    assert "hunter2" not in told


def test_each_part_that_does_not_answer_is_told_beside_the_others(report: Report) -> None:
    told = report(
        FRESHET_KAFKA__BOOTSTRAP_SERVERS=DEAD,
        FRESHET_REGISTRY__URL=f"http://{DEAD}",
        FRESHET_REDIS__URL=f"redis://{DEAD}/0",
        FRESHET_FLINK__REST_URL=f"http://{DEAD}",
    )
    assert {"topics", "schemas", "redis", "flink"} <= set(told["problems"])
    assert all(DEAD in told["problems"][name] for name in ("topics", "schemas", "redis", "flink"))


def test_a_store_that_may_evict_is_told(settings: Settings, report: Report) -> None:
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as store:
        store.config_set("maxmemory-policy", "allkeys-lru")
        store.config_set("maxmemory", 1 << 30)
        try:
            assert "allkeys-lru" in report()["problems"]["redis"]
        finally:
            store.config_set("maxmemory", 0)
            store.config_set("maxmemory-policy", "noeviction")


def test_a_job_that_is_gone_is_told_with_the_command_that_brings_it_back(cluster: Cluster, report: Report) -> None:
    running = cluster.live("scoring")
    assert running is not None
    savepoint = cluster.stop(running)
    try:
        assert "freshet submit scoring" in report()["problems"]["jobs"]
    finally:
        cluster.submit("scoring", savepoint=savepoint)
        until(lambda: is_running(cluster, "scoring"), "the scoring job", timeout_s=120)
