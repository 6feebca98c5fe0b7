"""How the parts of the stack are brought up: what is missing at once, in parallel, and not before what it needs."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING

from freshet.errors import FreshetError
from freshet.stack import jars, ports, process
from freshet.stack.java import find_java
from freshet.stack.last_words import last_words
from freshet.stack.part import Kit, Part

if TYPE_CHECKING:
    from pathlib import Path

Report = Callable[[str, str], None]
"""Called with the name of a part and a few words on what happens to it."""

POLL_S = 0.25
MIB = 1 << 20


class Starter:
    """One attempt to start some parts."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.java = find_java()
        self.artefacts: dict[str, list[Path]] = {}
        self.given_up = Event()

    def start(self, parts: Iterable[Part]) -> None:
        """Start those that do not run, and return when every one answers.

        Raises:
            FreshetError: a part cannot be started. Nothing was started if an artefact or a port was the reason;
                otherwise the others go on running.
        """
        parts = list(parts)
        idle = [part for part in parts if not part.runs()]
        self._fetch(idle)
        for part in idle:
            check_ports(part)
        self._start_together(parts)

    def _fetch(self, idle: list[Part]) -> None:
        groups = {part.group for part in idle if part.group}
        lines = [jar for jar in jars.locked() if jar.group in groups]
        if not lines:
            return
        for jar, path in zip(lines, jars.fetch(lines, self._progress), strict=True):
            self.artefacts.setdefault(jar.group, []).append(path)

    def _progress(self, done: int, total: int) -> None:
        state = "ready" if done >= total else "fetching"
        self.report("artefacts", f"{state}, {done // MIB} of {total // MIB} MiB")

    def _start_together(self, parts: list[Part]) -> None:
        tasks: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(len(parts)) as pool:
            for part in parts:
                before = [tasks[name] for name in part.after if name in tasks]
                tasks[part.name] = pool.submit(self._start_after, before, part)
            try:
                wait(tasks.values(), return_when=FIRST_EXCEPTION)
            finally:
                self.given_up.set()  # nobody waits any longer: all are up, one has failed, or the user interrupted
        raise_first(tasks.values())

    def _start_after(self, before: list[Future[None]], part: Part) -> None:
        if not all(task.done() for task in before):
            self.report(part.name, f"waits for {' and '.join(part.after)}")
        if any(task.exception() for task in before):
            raise GivenUpError
        self._start_one(part)

    def _start_one(self, part: Part) -> None:
        record = part.record()
        if record is None or record.leader() is None:
            self.report(part.name, "starts")
            record = self._launch(part)
        elif record.port != part.ports[0]:
            raise FreshetError(
                f"{part.name} runs on port {record.port}, from before the port base was changed; run `freshet down` first."
            )
        self._await(part, record)
        self.report(part.name, f"running at {part.address}")

    def _launch(self, part: Part) -> process.Record:
        kit = Kit(self.java, tuple(self.artefacts.get(part.group or "", [])), f"{part.name}-{process.new_tag()}")
        part.prepare(kit)
        if part.output.exists():
            part.output.replace(f"{part.output}.1")
        command = process.Command(part.command(kit), part.environment(kit), part.home.root, part.output)
        record = process.spawn(command, part.ports[0], kit.tag)
        record.write(part.record_file)
        return record

    def _await(self, part: Part, record: process.Record) -> None:
        deadline = time.monotonic() + part.start_timeout_s
        while not part.is_healthy(record):
            if record.leader() is None:
                raise FreshetError(f"{part.name} ended while it started; {last_words(part, record)}")
            if time.monotonic() > deadline:
                raise FreshetError(
                    f"{part.name} does not answer after {part.start_timeout_s:.0f} s; {last_words(part, record)}"
                )
            if self.given_up.wait(POLL_S):
                raise GivenUpError


class GivenUpError(FreshetError):
    """This part is not at fault: another one failed, or the user interrupted."""

    def __init__(self) -> None:
        super().__init__("The start was given up.")


def check_ports(part: Part) -> None:
    """Make sure that a part that does not run could listen where it wants to."""
    record = part.record()
    if record is not None:
        process.kill(record)  # a part that died may have left behind what it spawned, which holds its ports
    for port in part.ports:
        ports.require_free(part.name, port)


def raise_first(tasks: Iterable[Future[None]]) -> None:
    """Raise what went wrong, the cause before its consequences."""
    errors = [error for task in tasks if (error := task.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, GivenUpError)):
        raise error
