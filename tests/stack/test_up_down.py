"""The real servers: they come up, keep their data, survive a crash, run Python jobs, and leave nothing behind."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import kafka
import psutil
import pytest
import redis
from kafka.admin import NewTopic

from freshet.settings import Local, Settings
from freshet.stack.ports import is_free
from freshet.stack.stack import Stack

pytestmark = pytest.mark.stack

PORTS = 20
GIB = 1 << 30

JOB = '''
import sys
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf

@udf(result_type=DataTypes.STRING())
def shout(word):
    return word.upper()

if __name__ == "__main__":
    mode, brokers = sys.argv[1:]
    table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    table.get_config().set("python.execution-mode", mode)
    table.create_temporary_function("shout", shout)
    for name, topic in (("words", "words"), ("shouts", f"shouts-{mode}")):
        table.execute_sql(f"""CREATE TABLE {name} (word STRING) WITH (
            'connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset',
            'properties.bootstrap.servers' = '{brokers}')""")
    table.execute_sql("INSERT INTO shouts SELECT shout(word) FROM words")
'''


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, on ports of its own, whose jobs outlive the JobManager."""
    home = tmp_path_factory.mktemp("stack") / ".freshet"
    stack = Stack(Settings(local=Local(home=home, port_base=free_base(), slots=2, high_availability=True)))
    stack.up()
    yield stack
    stack.down()


def free_base() -> int:
    """Return the first of twenty free ports in a row."""
    bases = range(12000, 30000, PORTS)
    return next(base for base in bases if all(is_free(base + offset) for offset in range(PORTS)))


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.25)


def states(stack: Stack) -> set[str]:
    return {part.state for part in stack.status()}


def pids(stack: Stack) -> dict[str, int | None]:
    return {part.name: part.pid for part in stack.status()}


@contextmanager
def admin(stack: Stack) -> Iterator[kafka.KafkaAdminClient]:
    # Closed at once: one left open goes on calling a broker that is down, and leaks a socket at each refusal.
    client = kafka.KafkaAdminClient(bootstrap_servers=stack.settings.kafka.bootstrap_servers)
    try:
        yield client
    finally:
        client.close()


def store(stack: Stack) -> redis.Redis:
    return redis.Redis.from_url(stack.settings.redis.url.get_secret_value())


def ask_flink(stack: Stack, path: str) -> Any:
    return httpx.get(stack.settings.flink.rest_url + path).json()


def register(stack: Stack, subject: str, schema: dict[str, Any]) -> httpx.Response:
    url = f"{stack.settings.registry.url}/subjects/{subject}/versions"
    return httpx.post(url, json={"schema": json.dumps(schema)})


def a_record(**fields: str) -> dict[str, Any]:
    return {"type": "record", "name": "Probe", "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def test_every_part_runs_in_less_than_three_gibibytes(stack: Stack) -> None:
    assert states(stack) == {"running"}
    assert stack.resident_bytes() < 3 * GIB


def test_flink_has_the_slots_of_the_settings(stack: Stack) -> None:
    overview = ask_flink(stack, "/overview")
    assert (overview["taskmanagers"], overview["slots-total"]) == (1, 2)


def test_flink_took_the_committed_settings(stack: Stack) -> None:
    taken = {entry["key"]: entry["value"] for entry in ask_flink(stack, "/jobmanager/config")}
    assert taken["restart-strategy.type"] == "exponential-delay"
    assert taken["execution.checkpointing.interval"] == "5 s"
    assert taken["python.executable"] == sys.executable


def test_metrics_are_offered_to_prometheus(stack: Stack) -> None:
    first = stack.settings.local.port("flink-metrics")
    pages = [httpx.get(f"http://127.0.0.1:{port}/metrics").text for port in (first, first + 1)]
    assert any("flink_taskmanager_Status_JVM_Memory_Heap_Used" in page for page in pages)


def test_a_second_up_is_quick_and_changes_nothing(stack: Stack) -> None:
    before, begun = pids(stack), time.monotonic()
    stack.up()
    assert time.monotonic() - begun < 10
    assert pids(stack) == before


def test_the_registry_refuses_an_incompatible_schema(stack: Stack) -> None:
    httpx.put(f"{stack.settings.registry.url}/config/picky-value", json={"compatibility": "BACKWARD_TRANSITIVE"})
    assert register(stack, "picky-value", a_record(a="string")).is_success
    assert register(stack, "picky-value", a_record(a="string", b="long")).status_code == httpx.codes.CONFLICT


def test_topics_schemas_and_values_survive_down_and_up(stack: Stack) -> None:
    with admin(stack) as client:
        client.create_topics([NewTopic("kept", 2, 1)])
    first = register(stack, "kept-value", a_record(a="string")).json()
    store(stack).set("kept", "yes")
    stack.down()
    assert states(stack) == {"down"}
    stack.up()
    with admin(stack) as client:
        assert "kept" in client.list_topics()
    assert register(stack, "kept-value", a_record(a="string")).json() == first
    assert store(stack).get("kept") == b"yes"


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_a_python_job_reads_and_writes_kafka_and_survives_a_crash(stack: Stack, mode: str, tmp_path: Path) -> None:
    brokers = stack.settings.kafka.bootstrap_servers
    make_topics(stack, "words", f"shouts-{mode}")
    say(brokers, f"before-{mode}")
    job = submit(stack, tmp_path, mode, brokers)
    try:
        until(lambda: f"BEFORE-{mode}".upper() in shouts(brokers, mode))
        stack.kill("taskmanager")
        stack.start("taskmanager")
        say(brokers, f"after-{mode}")
        until(lambda: f"AFTER-{mode}".upper() in shouts(brokers, mode), timeout_s=120)
    finally:
        httpx.patch(f"{stack.settings.flink.rest_url}/jobs/{job}?mode=cancel")


def test_a_job_outlives_the_jobmanager(stack: Stack, tmp_path: Path) -> None:
    mode, brokers = "process", stack.settings.kafka.bootstrap_servers
    make_topics(stack, "words", f"shouts-{mode}")
    job = submit(stack, tmp_path, mode, brokers)
    try:
        for number in range(2):
            say(brokers, f"before the {number}. end")
            until(partial(is_heard, f"BEFORE THE {number}. END", brokers, mode), timeout_s=120)
            stack.kill("jobmanager")
            stack.start("jobmanager")
        say(brokers, "after it")
        until(lambda: "AFTER IT" in shouts(brokers, mode), timeout_s=120)
        assert ask_flink(stack, f"/jobs/{job}")["state"] == "RUNNING"
    finally:
        httpx.patch(f"{stack.settings.flink.rest_url}/jobs/{job}?mode=cancel")


def make_topics(stack: Stack, *names: str) -> None:
    with admin(stack) as client:
        if missing := set(names) - set(client.list_topics()):
            client.create_topics([NewTopic(name, 1, 1) for name in missing])


def say(brokers: str, word: str) -> None:
    producer = kafka.KafkaProducer(bootstrap_servers=brokers)
    producer.send("words", json.dumps({"word": word}).encode())
    producer.close()


def is_heard(word: str, brokers: str, mode: str) -> bool:
    return word in shouts(brokers, mode)


def shouts(brokers: str, mode: str) -> set[str]:
    consumer = kafka.KafkaConsumer(
        f"shouts-{mode}", bootstrap_servers=brokers, auto_offset_reset="earliest", consumer_timeout_ms=1000
    )
    heard = {json.loads(message.value)["word"] for message in consumer}
    consumer.close()
    return heard


def submit(stack: Stack, folder: Path, mode: str, brokers: str) -> str:
    """Submit the job through Flink's own client and return its id."""
    program = folder / "job.py"
    program.write_text(JOB)
    command = stack.flink_command("run", "-d", "-py", str(program), mode, brokers)
    done = subprocess.run(command, env=stack.flink_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("JobID ")[1].split()[0]


def test_down_leaves_no_process_behind(stack: Stack) -> None:
    stack.down()
    home = str(stack.home.root)
    assert [process for process in psutil.process_iter() if home in command_line(process)] == []


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
