"""How many announced users a second get a list: the scoring job alone, exactly as submitted, over a full topic.

The features of the users are what the features job has written of sessions with the model's own items. Then every user is
announced once, in the same order again and again, so that no batch holds a user twice; what is left out because a later
announcement speaks for it is counted all the same. The ceiling is the bare ONNX Runtime session on one thread, given
batches of the sizes that the job made. The lists of the first pass over the users are not counted: until then Java compiles.
"""

import math
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import numpy as np
from confluent_kafka import Consumer, TopicPartition
from harness import Bench, cpu_seconds, fill
from one_topic import submitted_with
from redis import Redis
from rich.console import Console
from rich.table import Table
from throughput import check, difference, run_to_end
from workload import USERS, Workload, generate, subject

from freshet.errors import FreshetError
from freshet.models import features
from freshet.models.artefact import Artefact, default_folder
from freshet.models.list_maker import USERS_AT_ONCE
from freshet.models.manifest import MODEL
from freshet.models.placements import load_placements
from freshet.models.scorer import open_session
from freshet.models.vocabulary import Vocabulary
from freshet.replay import journey
from freshet.schemas.avro import Record
from freshet.schemas.keys import TopN
from freshet.schemas.topics import BY_NAME, CATALOG, FEATURE_UPDATES, INTERACTIONS_CLEAN, RECOMMENDATIONS
from freshet.settings import load_settings
from freshet.stack.flink import METRICS_PORTS
from freshet.submit import Job

WORKERS = 2
"""Parallelism of the job: a Python process for each of the two cores that the figure is told for."""

GROUP, COUNTING = "freshet-scoring", "freshet-bench-counting"
EVENTS_A_USER = 8
POLL_S = 0.25  # each look asks Redis, and Flink's JobManager, which share the cores with the job
QUIET_S = 2.0  # once as many lists are there as were asked for
STUCK_S = 30.0  # before that: longer than any batch takes
TIMEOUT_S = 600.0
CEILING_S = 5.0
CONSUME = 2_000
SILENCES = 3
ROUNDING = 1e-9

Figures = dict[str, float]
Histogram = dict[float, float]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    users: int
    passes: int

    @property
    def announcements(self) -> int:
        """How many lists the job is asked for."""
        return self.users * self.passes

    @property
    def warm_up(self) -> int:
        """How many of them are made before it is measured."""
        return self.users


FULL, QUICK = Size(USERS, 5), Size(4_000, 3)


@dataclass(frozen=True)
class Run:
    """One run of the job over all announcements; the processor time is that of the whole stack, by part."""

    announcements: int
    lists: int
    measured: int
    """How many of the announcements came after the warm-up."""
    seconds: float
    """From the end of the warm-up to the last list."""
    cpu: Mapping[str, float]
    users: Histogram
    """Batches by the upper bound of how many announcements they held."""
    milliseconds: Histogram
    """Batches by the upper bound of how long they took."""

    @property
    def rate(self) -> float:
        """Announcements a second."""
        return self.measured / self.seconds

    def figures(self) -> Figures:
        """Return what is written down."""
        parts = {f"scoring_cpu_us_per_event_{part}": used / self.measured * 1e6 for part, used in self.cpu.items()}
        return parts | {
            "scoring_events_per_s": self.rate,
            "scoring_deduplicated_share": 1 - self.lists / self.announcements,
            "scoring_batch_users_mean": self.announcements / sum(self.users.values()),
            "scoring_batch_p50_ms": quantile(self.milliseconds, 0.5),
            "scoring_batch_p99_ms": quantile(self.milliseconds, 0.99),
            "scoring_load_average": round(os.getloadavg()[0], 1),
        }


def figures(bench: Bench, size: Size, console: Console) -> Figures:
    """Run the benchmark and return its figures.

    Raises:
        FreshetError: there is no model, a job fails or does not finish in time, or a list is missing.
    """
    artefact = Artefact.load(load_settings().model.path or default_folder())
    write_features(bench, size, artefact.vocabulary)
    skip_what_is_there(bench)
    fill(bench.settings, FEATURE_UPDATES, announcements(size), "subject")
    run = run_scoring(bench, size)
    provider, ceiling = bare_session(artefact, run.users)
    show(console, provider, run)
    return run.figures() | {
        "scoring_ort_ceiling_events_per_s": ceiling,
        "scoring_ratio_ort_ceiling": run.rate / ceiling,
    }


def write_features(bench: Bench, size: Size, vocabulary: Vocabulary) -> None:
    """Have the features job write what the users' sessions amount to."""
    bench.redis().flushall()
    fill(bench.settings, CATALOG, journey.catalogue(), "item_id")
    workload = generate(size.users * EVENTS_A_USER, time.time_ns() // 1_000_000)
    fill(bench.settings, INTERACTIONS_CLEAN, with_items_of_the_model(workload, vocabulary), "subject")
    try:
        run_to_end(bench, workload, lambda: bench.cluster.submit("features"))
    finally:
        bench.cancel_all()


def with_items_of_the_model(workload: Workload, vocabulary: Vocabulary) -> Iterator[Record]:
    """Yield the workload's events with items and categories that the ranker knows."""
    for record, item in zip(workload.clean(), workload.items.tolist(), strict=True):
        if record["item_id"] is not None:
            index = item % len(vocabulary) + 1
            record |= {"item_id": vocabulary.item(index), "category": vocabulary.category(index)}
        yield record


def announcements(size: Size) -> Iterator[Record]:
    """Yield an announcement of every user, all of them before any comes again."""
    now = time.time_ns() // 1_000_000
    for number in range(size.announcements):
        yield {
            "subject": subject(number % size.users),
            "as_of": now,
            "version": number // size.users + 1,
            "views": ["user_activity"],
            "event_id": f"bench-{number:09d}",
            "event_type": "view",
            "event_time": now,
            "written_at": now,
        }


def skip_what_is_there(bench: Bench) -> None:
    """Let the job begin behind the announcements of the features job."""
    consumer = _consumer(bench, GROUP)
    ends = _ends(consumer, FEATURE_UPDATES)
    offsets = [TopicPartition(FEATURE_UPDATES, at, end) for at, end in ends.items()]
    consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()


def run_scoring(bench: Bench, size: Size) -> Run:
    """Run the job until every announcement is dealt with.

    Raises:
        FreshetError: it fails, is not done in time, or a user has no list.
    """
    client = bench.redis()
    client.config_resetstat()
    starts, deadline = ends_of(bench, RECOMMENDATIONS), time.monotonic() + TIMEOUT_S
    with submitted_with(FLINK__PARALLELISM=WORKERS, LISTS__EXECUTION_MODE="process"):
        job = bench.cluster.submit("scoring")
    try:
        while (warm := writes(client)) < size.warm_up:
            time.sleep(POLL_S)
            check(bench, job, deadline)
        first, before = time.monotonic(), cpu_seconds(bench)
        last, used = wait_for_last(bench, job, client, size, deadline)
        users, milliseconds = histogram(bench, "batch_users"), histogram(bench, "batch_ms")
    finally:
        bench.cancel_all()
    lists = count_behind(bench, RECOMMENDATIONS, starts)
    without = size.users - client.exists(*(list_key(bench, user) for user in range(size.users)))
    if without or lists > size.announcements:
        raise FreshetError(f"{without} of {size.users} users have no list, and {lists} lists were announced.")
    measured, cpu = size.announcements - warm, difference(used, before)
    return Run(size.announcements, lists, measured, last - first, cpu, users, milliseconds)


def wait_for_last(bench: Bench, job: Job, client: Redis, size: Size, deadline: float) -> tuple[float, dict[str, float]]:
    """Return the time of the last list, and the processor time used until then."""
    count, last, used = 0, time.monotonic(), cpu_seconds(bench)
    while time.monotonic() - last < (QUIET_S if count >= size.announcements else STUCK_S):
        time.sleep(POLL_S)
        now = writes(client)
        if now != count:
            count, last, used = now, time.monotonic(), cpu_seconds(bench)
            check(bench, job, deadline)
    return last, used


def writes(client: Redis) -> int:
    """Return how many lists have been written, by the store's own count."""
    return int(client.info("commandstats").get("cmdstat_set", {}).get("calls", 0))


def list_key(bench: Bench, user: int) -> bytes:
    """Return the key of a user's list."""
    return TopN(bench.settings.lists.placement, subject(user)).encode().encode()


def histogram(bench: Bench, name: str) -> Histogram:
    """Return what the job's workers have counted: values by the upper bound of their bucket."""
    first, found = bench.settings.local.port("flink-metrics"), Counter[float]()
    for port in range(first, first + METRICS_PORTS):
        try:
            page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        except httpx.HTTPError:
            continue
        for bound, count in re.findall(rf'^\S*_{name}_batches{{.*?\b{name}="([^"]+)".*?}} (\S+)$', page, re.MULTILINE):
            found[float(bound)] += float(count)
    return dict(sorted(found.items()))


def quantile(counts: Histogram, share: float) -> float:
    """Return the upper bound of the bucket in which a share of the values ends; of the last, which has none, the lower one.

    >>> quantile({1: 90, 2: 9, 5: 1}, 0.9), quantile({1: 90, 2: 9, 5: 1}, 0.91), quantile({1: 90, math.inf: 10}, 1.0)
    (1, 2, 1)
    """
    bounds = [bound for bound in counts if bound < math.inf]
    reached = np.cumsum([counts[bound] for bound in bounds]) >= share * sum(counts.values()) - ROUNDING
    return bounds[int(reached.argmax())] if reached.any() else bounds[-1]


def ends_of(bench: Bench, topic: str) -> dict[int, int]:
    """Return where each partition of a topic ends now."""
    consumer = _consumer(bench, COUNTING)
    ends = _ends(consumer, topic)
    consumer.close()
    return ends


def count_behind(bench: Bench, topic: str, starts: Mapping[int, int]) -> int:
    """Return how many records a topic holds behind these offsets, committed or not, without the markers of transactions."""
    consumer = _consumer(bench, COUNTING)
    consumer.assign([TopicPartition(topic, at, start) for at, start in starts.items()])
    count, silent = 0, 0
    while silent < SILENCES:
        found = consumer.consume(CONSUME, timeout=1.0)
        silent = 0 if found else silent + 1
        count += sum(message.error() is None for message in found)
    consumer.close()
    return count


def _consumer(bench: Bench, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bench.settings.kafka.bootstrap_servers,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
        }
    )


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    partitions = range(BY_NAME[topic].partitions)
    return {at: consumer.get_watermark_offsets(TopicPartition(topic, at), timeout=30)[1] for at in partitions}


def bare_session(artefact: Artefact, users: Histogram) -> tuple[str, float]:
    """Return the provider, and how many users a second the session alone scores in batches of the job's median size.

    Of a larger batch the job makes so many lists at once as `USERS_AT_ONCE` says, and so many are scored in one call.
    """
    size = min(int(quantile(users, 0.5)), USERS_AT_ONCE)
    candidates = load_placements().by_name["home"].candidates
    session = open_session(artefact.manifest.checked(artefact.folder, MODEL), load_settings().model.providers)
    rng, items = np.random.default_rng(7), artefact.manifest.items
    feeds = {
        "recent_items": rng.integers(1, items, (size, features.RECENT)),
        "candidates": rng.integers(1, items, (size, candidates)),
        "user_features": rng.random((size, features.USER_WIDTH), np.float32),
        "candidate_features": rng.random((size, candidates, features.CANDIDATE_WIDTH), np.float32),
    }
    session.run(None, feeds)
    begin, runs = time.monotonic(), 0
    while time.monotonic() < begin + CEILING_S:
        session.run(None, feeds)
        runs += 1
    return session.get_providers()[0], runs * size / (time.monotonic() - begin)


def show(console: Console, provider: str, run: Run) -> None:
    """Print where the model ran, and how large its batches were and how long they took."""
    console.print(f"The model runs on {provider}; {run.lists} lists, {run.rate:.0f} a second.")
    for title, counts in (
        ("announcements in a batch, up to", run.users),
        ("milliseconds of a batch, up to", run.milliseconds),
    ):
        table = Table(title, "batches")
        for bound, count in counts.items():
            table.add_row(f"{bound:g}", f"{count:.0f}")
        console.print(table)
