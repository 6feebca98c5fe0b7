"""Up and down, with small Python programs in the place of the servers."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freshet.errors import FreshetError
from freshet.settings import MOST_TASKMANAGERS, Local, Settings
from freshet.stack.flink import TaskManagerPart
from freshet.stack.home import Home
from freshet.stack.part import Kit, Part
from freshet.stack.ports import is_open
from freshet.stack.process import Record
from freshet.stack.stack import STOP_ORDER, Stack

SERVE = """
import socket, sys, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
time.sleep(60)
"""
SLEEP = "import time; time.sleep(60)"
DIE = "import sys; print('INFO nothing yet'); sys.exit('FATAL ERROR the disk is on fire')"

ORDER = ("redis", "kafka", "registry", "jobmanager", "taskmanager")


class Fake(Part):
    """A part that runs a Python program and is healthy once its port is open."""

    program = SERVE
    prepared = 0

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.settings.local.port_base + ORDER.index(self.name),)

    def prepare(self, kit: Kit) -> None:
        self.prepared += 1

    def command(self, kit: Kit) -> list[str]:
        return [sys.executable, "-c", self.program, str(self.ports[0])]

    def is_healthy(self, record: Record) -> bool:
        return is_open(record.port)


def a_stack(home: Path, port_base: int, **programs: str) -> Stack:
    settings = Settings(local=Local(home=home, port_base=port_base))
    stack = Stack(settings)
    stack.parts = {name: a_part(name, settings, programs.get(name, SERVE)) for name in ORDER}
    return stack


def a_part(name: str, settings: Settings, program: str) -> Part:
    members: dict[str, Any] = {"name": name, "program": program, "start_timeout_s": 20.0, "stop_grace_s": 2.0}
    kind: type[Fake] = type(name, (Fake,), members | {"after": ("kafka",) if name == "registry" else ()})
    return kind(settings, Home(settings.local.home))


@pytest.fixture
def port_base() -> int:
    """The first of five free ports."""
    for base in range(20000, 60000, 20):
        if not any(is_open(base + offset) for offset in range(len(ORDER))):
            return base
    raise AssertionError("no free ports")


@pytest.fixture
def make(tmp_path: Path, port_base: int) -> Iterator[Callable[..., Stack]]:
    """Make stacks that are down again after the test."""
    stacks: list[Stack] = []

    def begin(**programs: str) -> Stack:
        stacks.append(a_stack(tmp_path / ".freshet", port_base, **programs))
        return stacks[-1]

    yield begin
    for stack in stacks:
        stack.down()


def states(stack: Stack) -> dict[str, str]:
    return {part.name: part.state for part in stack.status()}


def pids(stack: Stack) -> dict[str, int | None]:
    return {part.name: part.pid for part in stack.status()}


def test_up_starts_everything_and_down_stops_it(make: Callable[..., Stack]) -> None:
    stack = make()
    stack.up()
    records = [part.record() for part in stack.parts.values()]
    assert set(states(stack).values()) == {"running"}
    assert stack.resident_bytes() > 0
    stack.down()
    assert set(states(stack).values()) == {"down"}
    assert [record for record in records if record is None or record.members()] == []


def test_a_second_up_leaves_everything_alone(make: Callable[..., Stack]) -> None:
    stack = make()
    stack.up()
    before = pids(stack)
    stack.up()
    assert pids(stack) == before


def test_up_starts_only_what_died(make: Callable[..., Stack]) -> None:
    stack = make()
    stack.up()
    before = pids(stack)
    stack.kill("kafka")
    assert states(stack)["kafka"] == "dead"
    stack.up()
    after = pids(stack)
    assert set(states(stack).values()) == {"running"}
    assert {name for name in ORDER if before[name] != after[name]} == {"kafka"}


def test_one_part_can_be_killed_and_started(make: Callable[..., Stack]) -> None:
    stack = make()
    stack.up()
    stack.kill("taskmanager")
    stack.start("taskmanager")
    assert set(states(stack).values()) == {"running"}


def test_the_registry_waits_for_the_broker(make: Callable[..., Stack]) -> None:
    said: list[tuple[str, str]] = []
    make().up(lambda part, words: said.append((part, words.split(" at ")[0])))
    assert said.index(("kafka", "running")) < said.index(("registry", "starts"))


def test_a_part_that_ends_while_it_starts_says_why(make: Callable[..., Stack]) -> None:
    stack = make(jobmanager=DIE)
    with pytest.raises(FreshetError) as caught:
        stack.up()
    sentence, *lines = str(caught.value).splitlines()
    assert sentence == f"jobmanager ended while it started; read {stack.parts['jobmanager'].log}"
    assert lines == ["  FATAL ERROR the disk is on fire"]


def test_a_part_that_never_answers_is_given_up(make: Callable[..., Stack]) -> None:
    stack = make(redis=SLEEP)
    stack.parts["redis"].__class__.start_timeout_s = 0.5
    with pytest.raises(FreshetError, match="redis does not answer after 0 s; read"):
        stack.up()
    assert states(stack)["redis"] == "starting"


def test_one_failure_does_not_wait_for_the_others(make: Callable[..., Stack]) -> None:
    stack = make(kafka=DIE, redis=SLEEP)
    begun = time.monotonic()
    with pytest.raises(FreshetError, match="kafka ended while it started"):
        stack.up()
    assert time.monotonic() - begun < 10  # redis alone would have had twenty seconds
    assert states(stack)["registry"] == "down"


def test_a_taken_port_stops_everything_before_it_starts(make: Callable[..., Stack], port_base: int) -> None:
    stack = make()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port_base + ORDER.index("jobmanager")))
        listener.listen()
        with pytest.raises(FreshetError, match="which jobmanager needs, is taken by"):
            stack.up()
    assert set(states(stack).values()) == {"down"}


def test_a_record_whose_pid_belongs_to_somebody_else_is_stale(make: Callable[..., Stack]) -> None:
    stack = make()
    stack.home.create()
    Record(pid=1, create_time=1.0, tag="old", port=1).write(stack.parts["redis"].record_file)
    assert states(stack)["redis"] == "dead"
    stack.up()
    assert states(stack)["redis"] == "running"


def test_another_port_base_over_a_running_stack_is_refused(make: Callable[..., Stack], port_base: int) -> None:
    stack = make()
    stack.up()
    with pytest.raises(FreshetError, match="before the port base was changed; run `freshet down` first"):
        a_stack(stack.home.root, port_base + 20).up()
    assert set(states(stack).values()) == {"running"}


def test_the_output_of_the_run_before_is_kept(make: Callable[..., Stack]) -> None:
    stack = make(redis=f"print('first', flush=True)\n{SERVE}")
    stack.up()
    stack.kill("redis")
    stack.start("redis")
    output = stack.parts["redis"].output
    assert "first" in output.with_name(f"{output.name}.1").read_text()


def test_two_commands_do_not_start_a_part_twice(make: Callable[..., Stack]) -> None:
    stacks = [make(), make()]
    threads = [threading.Thread(target=stack.up) for stack in stacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pids(stacks[0]) == pids(stacks[1])
    assert sum(part.prepared for stack in stacks for part in stack.parts.values() if isinstance(part, Fake)) == len(
        ORDER
    )


def test_down_on_a_machine_that_was_never_up_makes_nothing(tmp_path: Path) -> None:
    a_stack(tmp_path / "never", 20000).down()
    assert not (tmp_path / "never").exists()


def test_a_taskmanager_that_the_settings_no_longer_name_is_a_part_as_long_as_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TaskManagerPart, "runs", lambda part: part.name == "taskmanager-2")
    assert [*Stack(Settings(local=Local(home=tmp_path))).parts][-2:] == ["taskmanager", "taskmanager-2"]


def test_every_part_is_stopped_and_the_writers_first(tmp_path: Path) -> None:
    real = Stack(Settings(local=Local(home=tmp_path, taskmanagers=MOST_TASKMANAGERS, high_availability=True)))
    stopped = [name for names in STOP_ORDER for name in names]
    assert sorted(stopped) == sorted(real.parts)
    assert stopped[0] == "taskmanager"
    assert stopped.index("kafka") > stopped.index("registry")
