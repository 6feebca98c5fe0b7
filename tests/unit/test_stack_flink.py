"""Flink gets the committed settings and what the machine adds, in a form that its scripts can read."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from freshet.errors import FreshetError
from freshet.settings import MOST_TASKMANAGERS, Local, Settings
from freshet.stack.flink import (
    METRICS_PORTS,
    Flink,
    TaskManagerPart,
    distribution,
    flatten,
    link_jars,
    render,
    write_if_other,
)
from freshet.stack.home import Home, shipped_conf
from freshet.stack.java import Java
from freshet.stack.part import Kit
from freshet.stack.process import Record
from freshet.stack.stack import TASKMANAGERS, Stack

JAVA = Java(Path("/java"), 21)


def a_flink(home: Path, **local: Any) -> Flink:
    settings = Settings(local=Local(**{"home": home, "port_base": 9700} | local))
    return Flink(settings, Home(home))


def test_nested_settings_become_dotted_names() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": 2}, "e": 3}) == {"a.b.c": 1, "a.d": 2, "e": 3}


def test_a_rendered_configuration_reads_back_and_has_one_setting_a_line(tmp_path: Path) -> None:
    configuration = a_flink(tmp_path).configuration(JAVA)
    text = render(configuration)
    assert yaml.safe_load(text) == configuration
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == len(configuration)


def test_every_option_that_flink_ships_for_new_javas_is_kept(tmp_path: Path) -> None:
    shipped = flatten(yaml.safe_load((distribution() / "conf" / "config.yaml").read_text()))
    ours = a_flink(tmp_path).configuration(JAVA)
    assert set(shipped["env.java.opts.all"].split()) <= set(ours["env.java.opts.all"].split())


def test_ports_follow_the_base(tmp_path: Path) -> None:
    configuration = a_flink(tmp_path, port_base=9600).configuration(JAVA)
    ports = {name: value for name, value in configuration.items() if name.endswith("port")}
    assert ports == {
        "rest.port": 9604,
        "jobmanager.rpc.port": 9605,
        "blob.server.port": 9608,
        "metrics.reporter.prom.port": "9610-9615",
    }


def test_everything_that_has_an_address_is_on_loopback(tmp_path: Path) -> None:
    configuration = a_flink(tmp_path).configuration(JAVA)
    hosts = [value for name, value in configuration.items() if name.endswith(("address", "host"))]
    assert hosts == ["127.0.0.1"] * 6


def test_the_machine_s_python_java_and_folders_are_filled_in(tmp_path: Path) -> None:
    configuration = a_flink(tmp_path).configuration(JAVA)
    assert configuration["python.executable"] == configuration["python.client.executable"] == sys.executable
    assert configuration["env.java.home"] == "/java"
    assert configuration["execution.checkpointing.dir"] == (tmp_path / "flink" / "checkpoints").as_uri()
    assert configuration["execution.checkpointing.savepoint-dir"] == (tmp_path / "flink" / "savepoints").as_uri()


def test_the_committed_file_knows_no_machine() -> None:
    committed = flatten(yaml.safe_load((shipped_conf() / "config.yaml").read_text()))
    assert not [name for name in committed if name.endswith(("port", "dir", "dirs", "executable", "java.home"))]


def test_rocksdb_gets_more_managed_memory_than_the_heap_backend(tmp_path: Path) -> None:
    heap, rocksdb = (a_flink(tmp_path, state_backend=kind).configuration(JAVA) for kind in ("hashmap", "rocksdb"))
    fraction = "taskmanager.memory.managed.fraction"
    assert rocksdb[fraction] > heap[fraction]
    assert rocksdb["state.backend.type"] == "rocksdb"


def test_memory_and_slots_follow_the_settings(tmp_path: Path) -> None:
    configuration = a_flink(tmp_path, taskmanager_memory="3g", slots=7).configuration(JAVA)
    assert configuration["taskmanager.memory.process.size"] == "3g"
    assert configuration["taskmanager.numberOfTaskSlots"] == 7


def test_the_mode_of_python_functions_is_left_to_each_job(tmp_path: Path) -> None:
    assert "python.execution-mode" not in a_flink(tmp_path).configuration(JAVA)


def test_another_flink_in_the_shell_is_not_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLINK_PLUGINS_DIR", "/opt/other-flink/plugins")
    monkeypatch.setenv("HADOOP_CLASSPATH", "/opt/hadoop/*")
    environment = a_flink(tmp_path).environment(JAVA)
    assert not {"FLINK_PLUGINS_DIR", "HADOOP_CLASSPATH"} & environment.keys()
    assert environment["FLINK_CONF_DIR"] == str(tmp_path / "flink" / "conf")


def test_python_workers_find_this_python_and_this_stack(tmp_path: Path) -> None:
    environment = a_flink(tmp_path).environment(JAVA)
    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert environment["FRESHET_LOCAL__HOME"] == str(tmp_path)
    assert environment["FRESHET_LOCAL__PORT_BASE"] == "9700"


def test_links_are_exactly_the_jars_of_today(tmp_path: Path) -> None:
    jars = [tmp_path / name for name in ("old.jar", "moved.jar", "new.jar")]
    for jar in jars:
        jar.write_text(jar.name)
    old, moved, new = jars
    lib = tmp_path / "lib"
    lib.mkdir()
    link_jars(lib, [old, moved])
    elsewhere = tmp_path / "elsewhere" / "moved.jar"
    elsewhere.parent.mkdir()
    elsewhere.write_text("moved")
    link_jars(lib, [elsewhere, new])
    assert {link.name: link.read_text() for link in lib.iterdir()} == {"moved.jar": "moved", "new.jar": "new.jar"}


def test_a_link_whose_jar_is_gone_is_replaced(tmp_path: Path) -> None:
    jar, lib = tmp_path / "a.jar", tmp_path / "lib"
    lib.mkdir()
    (lib / "a.jar").symlink_to(tmp_path / "gone.jar")
    jar.write_text("here")
    link_jars(lib, [jar])
    assert (lib / "a.jar").read_text() == "here"


def test_a_file_that_reads_so_already_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write_if_other(path, "a: 1\n")
    before = path.stat().st_ino
    write_if_other(path, "a: 1\n")
    assert path.stat().st_ino == before
    write_if_other(path, "a: 2\n")
    assert path.read_text() == "a: 2\n"


def test_a_path_with_a_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FreshetError, match="cannot run from a path with a space"):
        a_flink(tmp_path / "my checkout").prepare([], JAVA)


@pytest.mark.parametrize(
    ("listed", "healthy"),
    [
        ([{"id": "taskmanager-new", "slotsNumber": 4}], True),
        ([{"id": "taskmanager-killed", "slotsNumber": 4}], False),
        ([{"id": "taskmanager-new", "slotsNumber": 0}], False),
        ([], False),
    ],
)
def test_a_killed_taskmanager_that_is_still_listed_is_not_the_new_one(
    listed: list[dict[str, Any]], healthy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = TaskManagerPart(Settings(local=Local(home=tmp_path)), Home(tmp_path))
    monkeypatch.setattr(part, "ask", lambda path: {"taskmanagers": listed})
    assert part.is_healthy(Record(1, 0.0, "taskmanager-new", 9486)) is healthy


def test_each_start_of_a_taskmanager_has_a_name_of_its_own(tmp_path: Path) -> None:
    part = TaskManagerPart(Settings(local=Local(home=tmp_path)), Home(tmp_path))
    command = part.command(Kit(JAVA, (), "taskmanager-1"))
    assert command[command.index("start-foreground") + 1 :] == [
        *("-D", "taskmanager.resource-id=taskmanager-1"),
        *("-D", "taskmanager.rpc.port=9486"),
        *("-D", "taskmanager.data.port=9487"),
    ]


def test_each_part_has_ports_and_a_log_of_its_own(tmp_path: Path) -> None:
    settings = Settings(local=Local(home=tmp_path, taskmanagers=MOST_TASKMANAGERS, high_availability=True))
    parts = list(Stack(settings).parts.values())
    ports = [port for part in parts for port in part.ports]
    first = settings.local.port("flink-metrics")
    ports += range(first, first + METRICS_PORTS)
    assert len(set(ports)) == len(ports)
    assert set(ports) <= set(range(settings.local.port_base, settings.local.port_base + 20))
    assert len({part.log for part in parts}) == len(parts)
    assert [part.name for part in parts][-MOST_TASKMANAGERS:] == list(TASKMANAGERS)
