"""A process is found again by what was written down, and no other is ever taken for it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from freshet.stack import process
from freshet.stack.process import Command, Record, resident_bytes, spawn, stop

SLEEP = "import time; time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
PARENT = (
    f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); print('born', flush=True); {SLEEP}"
)

Start = Callable[[str], Record]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start Python programs as parts are started; none outlives the test."""
    records: list[Record] = []

    def begin(program: str) -> Record:
        command = Command([sys.executable, "-c", program], os.environ, tmp_path, tmp_path / "output")
        records.append(spawn(command, port=1, tag="tag"))
        return records[-1]

    yield begin
    for record in records:
        process.kill(record)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def says(tmp_path: Path, word: str) -> Callable[[], bool]:
    return lambda: word in (tmp_path / "output").read_text()


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    record = Record(pid=7, create_time=12.5, tag="kafka-1", port=9480)
    record.write(tmp_path / "kafka.json")
    assert Record.read(tmp_path / "kafka.json") == record


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "someone": "else"}'])
def test_a_damaged_record_is_no_record(text: str, tmp_path: Path) -> None:
    (tmp_path / "kafka.json").write_text(text)
    assert Record.read(tmp_path / "kafka.json") is None


def test_what_runs_is_found(start: Start) -> None:
    record = start(SLEEP)
    leader = record.leader()
    assert leader is not None
    assert leader.pid == record.pid
    assert resident_bytes(record.members()) > 0


def test_a_program_that_got_the_same_id_later_is_not_ours(start: Start) -> None:
    record = start(SLEEP)
    stale = replace(record, create_time=record.create_time - 3600)
    assert stale.leader() is None
    assert stale.members() == []
    stop(stale, grace_s=5)
    assert record.leader() is not None


def test_a_small_correction_of_the_clock_changes_nothing(start: Start) -> None:
    record = start(SLEEP)
    assert replace(record, create_time=record.create_time + 1).leader() is not None


def test_a_part_does_not_share_our_session(start: Start) -> None:
    assert os.getsid(start(SLEEP).pid) != os.getsid(0)


def test_what_ended_by_itself_is_gone(start: Start) -> None:
    record = start("pass")
    until(lambda: record.leader() is None)
    assert record.members() == []


def test_stopping_asks_first(start: Start, tmp_path: Path) -> None:
    polite = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye', flush=True)));"
    record = start(f"{polite} print('ready', flush=True); {SLEEP}")
    until(says(tmp_path, "ready"))
    stop(record, grace_s=10)
    assert says(tmp_path, "bye")()
    assert record.leader() is None


def test_who_does_not_listen_is_ended_after_the_grace(start: Start, tmp_path: Path) -> None:
    record = start(DEAF)
    until(says(tmp_path, "deaf"))
    stop(record, grace_s=0.2)
    assert record.leader() is None


def test_what_a_part_spawned_is_counted_and_stopped_with_it(start: Start, tmp_path: Path) -> None:
    record = start(PARENT)
    until(says(tmp_path, "born"))
    assert len(record.members()) == 2
    stop(record, grace_s=5)
    assert record.members() == []


def test_orphans_of_a_crashed_part_are_found_and_ended(start: Start, tmp_path: Path) -> None:
    record = start(PARENT)
    until(says(tmp_path, "born"))
    psutil.Process(record.pid).kill()
    until(lambda: record.leader() is None)
    (orphan,) = record.members()
    process.kill(record)
    assert not process.is_alive(orphan)


def test_an_uncollected_dead_process_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    zombie = psutil.Process(child.pid)
    until(lambda: zombie.status() == psutil.STATUS_ZOMBIE)
    assert not process.is_alive(zombie)
    child.wait()
