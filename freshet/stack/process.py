"""Processes that outlive the command that started them, and that are found again without mistaking another for them.

Each part leads a session of its own. What it spawns (the TaskManager's Python workers) stays in that session, even
after the part itself was killed, so it can be counted and stopped with it.
"""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

# A process id is used again some day. The time of creation tells two users of one id apart; it is derived from the
# boot time, which a clock correction moves a little.
CREATE_TIME_TOLERANCE_S = 2.0
KILL_WAIT_S = 10.0

_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""What this very process started: only a parent can collect a dead child, and an uncollected one looks alive."""


@dataclass(frozen=True)
class Record:
    """What is written down about a process when it is started."""

    pid: int
    create_time: float
    tag: str
    port: int

    def write(self, path: Path) -> None:
        """Write it down, whole or not at all."""
        scratch = path.with_suffix(".tmp")
        scratch.write_text(json.dumps(asdict(self)), encoding="utf-8")
        scratch.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Record | None":
        """Return what was written, or None if there is nothing that can be read."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def leader(self) -> psutil.Process | None:
        """Return the process itself while it lives."""
        if (child := _children.get(self.pid)) is not None:
            child.poll()
        try:
            process = psutil.Process(self.pid)
            return process if self._is_same(process) and is_alive(process) else None
        except psutil.Error:
            return None

    def members(self) -> list[psutil.Process]:
        """Return the living processes of its session: itself, and what it spawned even if it is dead itself."""
        if self._is_reused():
            return []
        return [process for process in psutil.process_iter() if self._leads(process) and is_alive(process)]

    def _is_reused(self) -> bool:
        # An id is not given out while a session still bears it, so its new owner means that all of ours have gone.
        try:
            return not self._is_same(psutil.Process(self.pid))
        except psutil.Error:
            return False

    def _is_same(self, process: psutil.Process) -> bool:
        return abs(process.create_time() - self.create_time) < CREATE_TIME_TOLERANCE_S

    def _leads(self, process: psutil.Process) -> bool:
        try:
            return os.getsid(process.pid) == self.pid
        except OSError:
            return False


@dataclass(frozen=True)
class Command:
    """What to run, in which environment and folder, and the file for all that it prints."""

    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    output: Path


def spawn(command: Command, port: int, tag: str) -> Record:
    """Start a process that leads a session of its own, and describe it."""
    with command.output.open("ab") as sink:
        child = subprocess.Popen(
            list(command.words),
            env=dict(command.environment),
            cwd=command.folder,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[child.pid] = child
    return Record(child.pid, psutil.Process(child.pid).create_time(), tag, port)


def new_tag() -> str:
    """Return a name that no other start of the same part has."""
    return secrets.token_hex(4)


def stop(record: Record, grace_s: float) -> None:
    """Ask a process to end, and end it and what it spawned by force after the grace."""
    leader = record.leader()
    if leader is not None:
        # Only the leader is asked: it ends its own helpers, in its own order.
        ask(leader)
        wait([leader], grace_s)
    kill(record)


def kill(record: Record) -> None:
    """End a process and what it spawned at once."""
    members = record.members()
    for process in members:
        try:
            process.kill()
        except psutil.Error:
            continue
    wait(members, KILL_WAIT_S)


def pause(record: Record, *, resume: bool = False) -> None:
    """Stop the clock of a process and what it spawned, or let it run again: to the others it is silent meanwhile."""
    for process in record.members():
        try:
            process.resume() if resume else process.suspend()
        except psutil.Error:
            continue


def ask(process: psutil.Process) -> None:
    """Send SIGTERM, to whom it may still concern."""
    try:
        process.terminate()
    except psutil.Error:
        return


def wait(processes: Iterable[psutil.Process], timeout_s: float) -> None:
    """Wait until the processes have ended or the time is up."""
    deadline = time.monotonic() + timeout_s
    left = list(processes)
    while left and time.monotonic() < deadline:
        for pid in [process.pid for process in left if process.pid in _children]:
            _children[pid].poll()
        left = [process for process in left if is_alive(process)]
        time.sleep(0.05)


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; a dead one that nobody collected does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def resident_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the memory that the processes hold, pages they share counted once for each."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total
