"""How many events a second the rules job carries: the shop's three rules over a full topic, on a stack of its own.

.venv/bin/python benchmarks/rules.py [EVENTS]
"""

import sys
import time
from collections.abc import Iterator

import numpy as np
from harness import Bench, bench_stack, cpu_seconds, fill
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata
from rich.console import Console
from workload import Workload, generate

from freshet.schemas.avro import Decoder
from freshet.schemas.registry import Registry
from freshet.schemas.topics import BY_NAME, FEATURE_UPDATES, INTERACTIONS_CLEAN
from freshet.topics import servers
from freshet.udfs.triggers import trigger_of

GROUP = "freshet-rules"
EVENTS = 400_000
QUIET_S = 10.0
TIMEOUT_S = 300.0


def partitions(topic: str) -> list[TopicPartition]:
    """Return the partitions of a topic."""
    return [TopicPartition(topic, number) for number in range(BY_NAME[topic].partitions)]


def begin_at_the_beginning(bench: Bench) -> None:
    """Let the job's group stand at the beginning of the clean topic: by itself it takes what comes from then on."""
    consumer = KafkaConsumer(bootstrap_servers=servers(bench.settings), group_id=GROUP, enable_auto_commit=False)
    consumer.commit({one: OffsetAndMetadata(0, "", -1) for one in partitions(INTERACTIONS_CLEAN)})
    consumer.close()


def triggers(bench: Bench) -> Iterator[tuple[int, int]]:
    """Yield for each trigger when its pattern was complete, in event time, and when it was written; ends when it is quiet."""
    decode = Decoder(FEATURE_UPDATES, Registry(bench.settings.registry.url).schema)
    consumer = KafkaConsumer(bootstrap_servers=servers(bench.settings), enable_auto_commit=False)
    consumer.assign(partitions(FEATURE_UPDATES))
    consumer.seek_to_beginning()
    begin = heard = time.monotonic()
    while time.monotonic() - heard < (QUIET_S if heard > begin else TIMEOUT_S):
        for batch in consumer.poll(timeout_ms=200).values():
            heard = time.monotonic()
            for record in batch:
                told = decode(record.value)
                fired = trigger_of(told)
                assert fired
                yield fired.since, told["written_at"]
    consumer.close()


def measure(bench: Bench, workload: Workload) -> dict[str, float]:
    """Run the job over the workload and return its figures."""
    fill(bench.settings, INTERACTIONS_CLEAN, workload.clean(), "subject")
    begin_at_the_beginning(bench)
    used = cpu_seconds(bench)
    bench.wait_until_tasks_run(bench.cluster.submit("rules"))
    found = np.array(sorted(triggers(bench), key=lambda pair: pair[1]))
    cpu = {name: seconds - used.get(name, 0.0) for name, seconds in cpu_seconds(bench).items()}
    # From the first hundredth of the triggers to the last: what the start and the end of the topic do is left out.
    first, last = found[len(found) // 100], found[-len(found) // 100]
    between = np.count_nonzero((workload.times >= first[0]) & (workload.times < last[0]))
    return {
        "triggers": len(found),
        "events_per_s": between / (last[1] - first[1]) * 1000,
        "taskmanager_cpu_us_per_event": cpu["taskmanager"] / len(workload) * 1e6,
    }


def main() -> None:
    """Run, and print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with bench_stack() as bench:
        for name, figure in measure(bench, generate(count, time.time_ns() // 1_000_000)).items():
            Console().print(f"{name:30} {figure:12,.0f}")


if __name__ == "__main__":
    main()
