"""Runs the peer, Quix Streams, over the same topic as the features job: one process a core, in an environment of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from harness import ROOT, Bench

from freshet.errors import FreshetError
from freshet.topics import servers

ENVIRONMENT = ROOT / ".venv-quix"  # its pydantic-settings is older than ours
REQUIREMENTS = ROOT / "requirements" / "quix.txt"
SCRIPT = Path(__file__).with_name("quix_windows.py")
SCHEMA = ROOT / "schemas" / "interactions.clean.avsc"
OLDEST_PYTHON = (3, 11)
START_S = 120.0


def environment() -> Path:
    """Return the Python of the peer's environment, made from its locked requirements.

    Raises:
        FreshetError: this Python is too old for it.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise FreshetError("Quix Streams needs Python 3.11: leave the benchmark `quix` out, or use a newer Python.")
    uv, python = Path(sys.executable).with_name("uv"), ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, ENVIRONMENT], check=True)
    install = [uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", REQUIREMENTS]
    subprocess.run(install, check=True)
    return python


@contextmanager
def processes(bench: Bench, count: int) -> Iterator[list[Path]]:
    """Run the peer in so many processes, which share the topic's partitions; yields the files that they report into."""
    python, group = environment(), f"quix-{time.time_ns()}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quix-", ignore_cleanup_errors=True)))
        reports = []
        for number in range(count):
            report = folder / f"{number}.txt"
            out: IO[bytes] = stack.enter_context(report.open("wb"))
            options = ["--broker", servers(bench.settings)[0], "--schema", SCHEMA, "--group", group]
            command = [python, SCRIPT, *options, "--state", folder / str(number)]
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
            stack.callback(_end, process)
            reports.append(report)
        yield reports


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def done(reports: list[Path]) -> int:
    """Return how many events all processes have reported."""
    lines = [report.read_text("utf-8").splitlines() for report in reports]
    return sum(int(of_one[-1].split()[1]) for of_one in lines if of_one)


def events_per_s(bench: Bench, events: int, warm_up_s: float, seconds: float) -> float:
    """Return how many events a second the peer carries on all cores, once it is warm.

    Raises:
        FreshetError: it does not begin, or comes to the end of the topic.
    """
    with processes(bench, os.cpu_count() or 1) as reports:
        deadline = time.monotonic() + START_S
        while not done(reports):
            if time.monotonic() > deadline:
                raise FreshetError("Quix Streams has not taken an event: run its script by hand and see why.")
            time.sleep(0.2)
        time.sleep(warm_up_s)
        begin, first = time.monotonic(), done(reports)
        time.sleep(seconds)
        end, last = time.monotonic(), done(reports)
    if last >= events:
        raise FreshetError(f"Quix Streams was at the end of {events} events: fill the topic with more.")
    return (last - first) / (end - begin)
