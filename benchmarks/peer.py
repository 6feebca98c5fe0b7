"""Runs the peer, Quix Streams, over the same topic as the features job: one process a core, in an environment of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from harness import ROOT, Bench, cpu_seconds
from throughput import Throughput

from freshet.errors import FreshetError
from freshet.topics import servers

ENVIRONMENT = ROOT / ".venv-quix"  # its pydantic-settings is older than ours
REQUIREMENTS = ROOT / "requirements" / "quix.txt"
SCRIPT = Path(__file__).with_name("quix_windows.py")
SCHEMA = ROOT / "schemas" / "interactions.clean.avsc"
OLDEST_PYTHON = (3, 11)
START_S = 120.0
POLL_S = 0.2
MEASURED = 0.9  # of the topic: towards its end the processes run dry one after the other


def is_possible() -> bool:
    """Tell whether this Python is new enough for the peer."""
    return sys.version_info >= OLDEST_PYTHON


def environment() -> Path:
    """Return the Python of the peer's environment, made from its locked requirements; downloads them the first time."""
    uv, python = Path(sys.executable).with_name("uv"), ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([str(uv), "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT)], check=True)
    install = [str(uv), "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(REQUIREMENTS)]
    subprocess.run(install, check=True)
    return python


@dataclass(frozen=True)
class Peer:
    """One process of the peer, and the files that it writes."""

    process: "subprocess.Popen[bytes]"
    report: Path
    errors: Path

    def done(self) -> int:
        """Return how many events it has reported.

        Raises:
            FreshetError: it has ended.
        """
        if self.process.poll() is not None:
            last = self.errors.read_text("utf-8").strip().splitlines()[-1:]
            raise FreshetError(
                f"Quix Streams has ended with {self.process.returncode}: {' '.join(last) or 'no reason'}"
            )
        return last_count(self.report.read_text("utf-8"))

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def last_count(report: str) -> int:
    r"""Return the number in the last whole line of a report.

    >>> last_count("0\n120\n25"), last_count("")
    (120, 0)
    """
    lines = report.rpartition("\n")[0].splitlines()
    return int(lines[-1]) if lines else 0


@contextmanager
def running(bench: Bench, count: int) -> Iterator[list[Peer]]:
    """Run the peer in so many processes, which share the topic's partitions."""
    python, group = environment(), f"quix-{time.time_ns()}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quix-", ignore_cleanup_errors=True)))
        peers = []
        for number in range(count):
            report, errors = folder / f"{number}.txt", folder / f"{number}.err"
            options = {
                "broker": servers(bench.settings)[0],
                "schema": SCHEMA,
                "group": group,
                "state": folder / str(number),
            }
            command = [str(python), str(SCRIPT), *(f"--{name}={value}" for name, value in options.items())]
            with report.open("wb") as out, errors.open("wb") as err:
                process = subprocess.Popen(command, stdout=out, stderr=err)
            peers.append(Peer(process, report, errors))
            stack.callback(peers[-1].end)
        yield peers


def run_for(bench: Bench, events: int, warm_up_s: float, seconds: float) -> Throughput:
    """Run the peer on all cores, and count the events of a while, of so many events of the topic at most.

    Raises:
        FreshetError: a process does not begin, or ends; or the topic is too short for the warm-up.
    """
    submitted = time.monotonic()
    with running(bench, os.cpu_count() or 1) as peers:
        _wait_until_all_work(peers, submitted + START_S)
        time.sleep(warm_up_s)
        before, begin, first = _used(bench, peers), time.monotonic(), _done(peers)
        count = first
        while time.monotonic() < begin + seconds and count < MEASURED * events:
            time.sleep(POLL_S)
            count = _done(peers)
        used, end = _used(bench, peers), time.monotonic()
    if count == first:
        raise FreshetError(
            f"Quix Streams was at {first} of {events} events after its warm-up: fill the topic with more."
        )
    cpu = {name: used[name] - before[name] for name in used}
    return Throughput(count - first, end - begin, end - submitted, cpu, os.getloadavg()[0])


def _wait_until_all_work(peers: Sequence[Peer], deadline: float) -> None:
    while min(peer.done() for peer in peers) == 0:
        if time.monotonic() > deadline:
            raise FreshetError(f"A process of Quix Streams has not taken an event within {START_S:.0f} s.")
        time.sleep(POLL_S)


def _done(peers: Sequence[Peer]) -> int:
    return sum(peer.done() for peer in peers)


def _used(bench: Bench, peers: Sequence[Peer]) -> dict[str, float]:
    return cpu_seconds(bench) | {"quix": sum(peer.cpu_seconds() for peer in peers)}
