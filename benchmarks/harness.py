"""What every benchmark stands on: a stack of its own with topics, schemas and features, and a way to run jobs on it."""

import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis
from kafka import KafkaProducer

from freshet.commands.schemas import quieten_the_kafka_client, register_schemas
from freshet.definitions import apply_definitions
from freshet.errors import FreshetError
from freshet.replay.produce import KeyPartitioner
from freshet.schemas.avro import Encoder, Record, schema_text
from freshet.schemas.registry import Registry
from freshet.schemas.topics import BY_NAME
from freshet.settings import Settings, load_settings
from freshet.stack.ports import is_free
from freshet.stack.stack import TASKMANAGERS, Stack
from freshet.submit import LIVE, Cluster, Job, run_options
from freshet.topics import create_topics, servers

ROOT = Path(__file__).resolve().parents[1]
SHOP = ROOT / "feature_repo"
PORTS = 20
MIB = 1 << 20
SUBMIT_TIMEOUT_S = 180
FLUSH_EVERY = 50_000
COMPILER = "compiler"


@dataclass
class Bench:
    """A running stack that belongs to this run alone."""

    settings: Settings
    stack: Stack
    peak_bytes: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def cluster(self) -> Cluster:
        """The Flink cluster."""
        return Cluster(self.settings)

    def redis(self) -> "redis.Redis":
        """Return a client of the online store."""
        return redis.Redis.from_url(self.settings.redis.url.get_secret_value())

    def submit(self, script: Path, *arguments: str) -> Job:
        """Send a Python file to the cluster as a job.

        Raises:
            FreshetError: it was not accepted; the text ends as the client's output does.
        """
        options = run_options(self.settings.flink.rest_url, "features", None)[:-1]
        command = self.stack.flink_command("run", *options, str(script), *arguments)
        done = subprocess.run(
            command,
            env=self.stack.flink_environment(),
            capture_output=True,
            text=True,
            timeout=SUBMIT_TIMEOUT_S,
            check=False,
        )
        found = re.search(r"JobID ([0-9a-f]{32})", done.stdout)
        if done.returncode != 0 or not found:
            raise FreshetError(f"{script.name} was not accepted: {(done.stdout + done.stderr)[-2000:]}")
        return Job(found.group(1), script.stem, "CREATED")

    def state(self, job: Job) -> str:
        """Return the state of a job."""
        return next((one.state for one in self.cluster.jobs() if one.id == job.id), "UNKNOWN")

    def wait_until(self, job: Job, *states: str, timeout_s: float = 120.0) -> None:
        """Wait until a job is in one of the states.

        Raises:
            FreshetError: it has failed, or does not get there in time.
        """
        deadline = time.monotonic() + timeout_s
        while (state := self.state(job)) not in states:
            if state == "FAILED" or time.monotonic() > deadline:
                raise FreshetError(
                    f"Job {job.name} is {state}, not {' or '.join(states)}; read {self.stack.home.logs}."
                )
            time.sleep(0.2)

    def wait_until_tasks_run(self, job: Job, timeout_s: float = 120.0) -> None:
        """Wait until every task of a job runs.

        Raises:
            FreshetError: it has failed, or does not get there in time.
        """
        self.wait_until(job, "RUNNING", timeout_s=timeout_s)
        deadline = time.monotonic() + timeout_s
        while any(vertex["status"] != "RUNNING" for vertex in self.cluster.get(f"/jobs/{job.id}")["vertices"]):
            if time.monotonic() > deadline:
                raise FreshetError(f"Not all tasks of job {job.name} run; read {self.stack.home.logs}.")
            time.sleep(0.2)

    def running_s(self, job: Job) -> float:
        """Return how long the tasks of a finished job ran, in seconds."""
        vertices = self.cluster.get(f"/jobs/{job.id}")["vertices"]
        return max(float(vertex["duration"]) for vertex in vertices) / 1000

    def cancel_all(self) -> None:
        """Cancel every job that runs and wait until it is gone."""
        for job in self.cluster.jobs():
            if job.state in LIVE:
                httpx.patch(f"{self.cluster.url}/jobs/{job.id}?mode=cancel", timeout=10)
                self.wait_until(job, "CANCELED", "FINISHED", "FAILED")

    def watch_memory(self) -> None:
        """Sample the memory of all parts every two seconds until the end."""
        while not self._stopped.wait(2.0):
            self.peak_bytes = max(self.peak_bytes, self.stack.resident_bytes())

    def stop(self) -> None:
        """End the sampling."""
        self._stopped.set()


@contextmanager
def bench_stack(home: Path | None = None, state_backend: str = "hashmap") -> Iterator[Bench]:
    """Start a stack in a folder and on ports of its own, with topics, schemas and features, and stop it at the end."""
    quieten_the_kafka_client()
    # A short path: a UNIX socket's name and some of Flink's file names have little room.
    with tempfile.TemporaryDirectory(prefix="freshet-bench-", ignore_cleanup_errors=True) as folder:
        settings = own_settings(home or Path(folder) / ".freshet", state_backend)
        bench = Bench(settings, Stack(settings))
        os.chdir(folder)  # away from the user's .env, and from a checkout whose folders hide the package
        try:
            bench.stack.up()
            create_topics(settings)
            register_schemas(settings)
            apply_definitions(settings, SHOP)
            threading.Thread(target=bench.watch_memory, daemon=True).start()
            yield bench
        finally:
            bench.stop()
            bench.stack.down()


def own_settings(home: Path, state_backend: str) -> Settings:
    """Return settings of a stack in `home`, whatever the user's environment says; what is started inherits them."""
    for name in [name for name in os.environ if name.startswith("FRESHET_")]:
        del os.environ[name]
    os.environ["FRESHET_LOCAL__HOME"] = str(home)
    os.environ["FRESHET_LOCAL__PORT_BASE"] = str(free_port_base())
    os.environ["FRESHET_LOCAL__STATE_BACKEND"] = state_backend
    load_settings.cache_clear()
    return load_settings()


def free_port_base() -> int:
    """Return the first of twenty neighbouring free ports."""
    for base in range(20_000 + os.getpid() % 600 * PORTS, 60_000, PORTS):
        if all(is_free(port) for port in range(base, base + PORTS)):
            return base
    raise FreshetError("There are no twenty free ports in a row on the loopback.")


def fill(settings: Settings, topic: str, records: Iterable[Record], key: str) -> int:
    """Send records to a topic as fast as the broker takes them, and return how many it has acknowledged."""
    encode = Encoder(topic, Registry(settings.registry.url).id_of(BY_NAME[topic].subject, schema_text(topic)))
    producer = KafkaProducer(
        bootstrap_servers=servers(settings),
        acks="all",
        enable_idempotence=True,
        linger_ms=50,
        batch_size=262_144,
        partitioner=KeyPartitioner(),
        metrics_enabled=False,
    )
    count, failed = 0, list[Any]()
    for record in records:
        producer.send(topic, value=encode(record), key=record[key].encode()).add_errback(failed.append)
        count += 1
        if count % FLUSH_EVERY == 0:  # the client's own buffer has no bound
            producer.flush(timeout=120)
    producer.flush(timeout=120)
    producer.close(timeout=10)
    if failed:
        raise FreshetError(f"{len(failed)} of {count} records were not taken by Kafka: {failed[0]}")
    return count


def cpu_seconds(bench: Bench) -> dict[str, float]:
    """Return the processor time that each part has used so far.

    The Python workers are a part of their own, and so is the TaskManager's just-in-time compiler, which a job that has run
    for a while hardly needs any more.
    """
    used: dict[str, float] = {"python": 0.0, COMPILER: 0.0}
    for name, part in bench.stack.parts.items():
        record = part.record()
        for process in record.members() if record else []:
            try:
                times, kind = process.cpu_times(), process.name()
                compiler = compiler_seconds(process) if name in TASKMANAGERS and kind == "java" else 0.0
            except psutil.Error:
                continue
            owner = "python" if name in TASKMANAGERS and kind.startswith("python") else name
            used[owner] = used.get(owner, 0.0) + times.user + times.system - compiler
            used[COMPILER] += compiler
    return used


def compiler_seconds(process: psutil.Process) -> float:
    """Return the processor time that the compiler threads of a Java process have used so far."""
    return sum(one.user_time + one.system_time for one in process.threads() if is_compiler(process.pid, one.id))


def is_compiler(pid: int, thread: int) -> bool:
    """Tell whether a thread is the compiler's; the system cuts names after fifteen characters."""
    try:
        return Path(f"/proc/{pid}/task/{thread}/comm").read_text("utf-8").startswith(("C1 Compiler", "C2 Compiler"))
    except OSError:
        return False  # it has ended
