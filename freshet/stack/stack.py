"""The local stack as a whole: start, stop, look, and break on purpose."""

import fcntl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freshet.settings import MOST_TASKMANAGERS, Settings
from freshet.stack import process
from freshet.stack.flink import Flink, JobManagerPart, TaskManagerPart, flink_command
from freshet.stack.home import Home
from freshet.stack.java import find_java
from freshet.stack.kafka import KafkaPart
from freshet.stack.part import Part
from freshet.stack.redis import RedisPart
from freshet.stack.registry import RegistryPart
from freshet.stack.starter import Report, Starter
from freshet.stack.zookeeper import ZooKeeperPart

State = Literal["running", "starting", "dead", "down"]
"""Answers; lives but does not answer yet; was started and is gone; was not started."""

PARTS: tuple[type[Part], ...] = (RedisPart, KafkaPart, RegistryPart, JobManagerPart)
TASKMANAGERS = ("taskmanager", *(f"taskmanager-{number}" for number in range(2, MOST_TASKMANAGERS + 1)))
STOP_ORDER = (TASKMANAGERS, ("jobmanager", "registry", "redis"), ("kafka", "zookeeper"))
"""Writers before what they write to; what stands together is stopped together."""


@dataclass(frozen=True)
class PartStatus:
    """What is known of a part now; memory and processes include what it spawned."""

    name: str
    state: State
    pid: int | None
    address: str
    memory_bytes: int
    processes: int
    log: Path


def silent(part: str, words: str) -> None:
    """Report to nobody."""


class Stack:
    """The local stack of one home folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = Home(settings.local.home)
        keeper = ZooKeeperPart(settings, self.home)
        has_keeper = settings.local.high_availability or keeper.runs()
        self.parts: dict[str, Part] = {keeper.name: keeper} if has_keeper else {}
        self.parts |= {kind.name: kind(settings, self.home) for kind in PARTS}
        numbers = range(1, MOST_TASKMANAGERS + 1)
        workers = [TaskManagerPart(settings, self.home, number) for number in numbers]
        # What runs from when the settings named more is still a part, so that it is seen and stopped.
        self.parts |= {
            one.name: one
            for number, one in zip(numbers, workers, strict=True)
            if number <= settings.local.taskmanagers or one.runs()
        }

    def up(self, report: Report = silent) -> None:
        """Start what does not run, and return when every part answers.

        Raises:
            FreshetError: a part cannot be started; those that run go on running.
        """
        with self._alone():
            Starter(report).start(self.parts.values())

    def down(self, report: Report = silent) -> None:
        """Stop what this stack started, with everything that it spawned."""
        if not self.home.run.is_dir():
            return
        with self._alone():
            for names in STOP_ORDER:
                those = [self.parts[name] for name in names if name in self.parts]
                with ThreadPoolExecutor(len(those)) as pool:
                    list(pool.map(lambda part: self._stop(part, report), those))

    def status(self) -> list[PartStatus]:
        """Ask every part how it is."""
        with ThreadPoolExecutor(len(self.parts)) as pool:
            return list(pool.map(look, self.parts.values()))

    def start(self, name: str) -> None:
        """Start one part, as after a crash, and return when it answers."""
        with self._alone():
            Starter(silent).start([self.parts[name]])

    def kill(self, name: str) -> None:
        """End one part and what it spawned by SIGKILL, as a crash would."""
        with self._alone():
            record = self.parts[name].record()
            if record is not None:
                process.kill(record)

    def pause(self, name: str, *, resume: bool = False) -> None:
        """Let one part and what it spawned stand still, as a machine that hangs, or go on."""
        with self._alone():
            record = self.parts[name].record()
            if record is not None:
                process.pause(record, resume=resume)

    def resident_bytes(self) -> int:
        """Return the memory that all parts and what they spawned hold."""
        records = [part.record() for part in self.parts.values()]
        return sum(process.resident_bytes(record.members()) for record in records if record is not None)

    def flink_environment(self) -> dict[str, str]:
        """Return the environment in which Flink's own scripts find this cluster."""
        return Flink(self.settings, self.home).environment(find_java())

    def flink_command(self, *arguments: str) -> list[str]:
        """Return a command line of Flink's own client, such as `flink_command("run", "-d", "-py", "job.py")`."""
        return [*flink_command(), *arguments]

    def _stop(self, part: Part, report: Report) -> None:
        record = part.record()
        if record is not None:
            report(part.name, "stops")
            process.stop(record, part.stop_grace_s)
            part.record_file.unlink(missing_ok=True)
        report(part.name, "down")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other command change the same stack meanwhile."""
        self.home.create()
        with (self.home.run / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def look(part: Part) -> PartStatus:
    """Ask one part how it is."""
    record = part.record()
    if record is None:
        return PartStatus(part.name, "down", None, part.address, 0, 0, part.log)
    members = record.members()
    memory = process.resident_bytes(members)
    state: State = "dead"
    if record.leader() is not None:
        state = "running" if part.is_healthy(record) else "starting"
    return PartStatus(part.name, state, record.pid, part.address, memory, len(members), part.log)
