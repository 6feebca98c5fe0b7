"""What the three commands print, and how they exit."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from freshet.cli import build_app
from freshet.commands.stack import as_json, table
from freshet.settings import load_settings
from freshet.stack.stack import PartStatus

KAFKA = PartStatus("kafka", "running", 4711, "127.0.0.1:9480", 300 << 20, 1, Path("/somewhere/logs/kafka.log"))
REDIS = PartStatus("redis", "down", None, "redis://127.0.0.1:9483/0", 0, 0, Path("/somewhere/logs/redis.log"))


@pytest.fixture(autouse=True)
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FRESHET_LOCAL__HOME", str(tmp_path / ".freshet"))
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def test_nothing_of_the_table_is_cut() -> None:
    head, kafka, redis = table([KAFKA, REDIS]).splitlines()
    assert head.split() == ["part", "state", "pid", "MiB", "address", "log"]
    assert kafka.split() == ["kafka", "running", "4711", "300", "127.0.0.1:9480", "/somewhere/logs/kafka.log"]
    assert redis.split() == ["redis", "down", "redis://127.0.0.1:9483/0", "/somewhere/logs/redis.log"]
    assert head.index("address") == kafka.index("127.0.0.1:9480") == redis.index("redis://")


def test_a_part_for_machines_is_plain_json() -> None:
    assert json.loads(json.dumps(as_json(KAFKA)))["log"] == "/somewhere/logs/kafka.log"


def test_status_exits_with_1_when_something_is_down() -> None:
    result = CliRunner().invoke(build_app(), ["status"])
    assert result.exit_code == 1
    assert "freshet up" in result.stdout


def test_status_for_machines_is_one_json_value() -> None:
    result = CliRunner().invoke(build_app(), ["status", "--json"])
    assert result.exit_code == 1
    assert {part["state"] for part in json.loads(result.stdout)} == {"down"}


def test_down_is_no_error_when_nothing_runs() -> None:
    result = CliRunner().invoke(build_app(), ["down", "--json"])
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 5
