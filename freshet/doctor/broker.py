"""The broker: its topics, and how far each job is behind them."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from freshet.doctor.finding import Finding, ok, problem, span, warning
from freshet.schemas.topics import FEATURE_UPDATES, INTERACTIONS, INTERACTIONS_CLEAN
from freshet.settings import Settings
from freshet.topics import TopicReport, check_topics, kafka_down, servers

READS = {
    "ingest": INTERACTIONS,
    "features": INTERACTIONS_CLEAN,
    "rules": INTERACTIONS_CLEAN,
    "trends": INTERACTIONS_CLEAN,
    "scoring": FEATURE_UPDATES,
}
"""What each job reads, as the group `freshet-<job>`."""

STATEFUL = frozenset(("features", "trends"))
"""Jobs that make checkpoints, and so tell how far they are, at an interval of their own."""

BEHIND_S = 60
FAR_BEHIND_S = 900
POLL_MS = 1_000


@dataclass(frozen=True)
class Lag:
    """How far a job's last checkpoint is behind the end of its topic; None: it has read nothing yet."""

    job: str
    topic: str
    records: int | None
    seconds: float = 0.0
    """The age of the oldest record that it has not read."""
    told_every_s: float = 0.0
    """It may have read what has come for so long, and told nobody yet."""


def judge_topics(report: TopicReport, address: str) -> Iterator[Finding]:
    """Tell of the topics that are missing or lie otherwise than the jobs expect."""
    for sentence in report.problems:
        yield problem("topics", sentence)
    if not report.problems:
        yield ok("topics", f"Kafka at {address} holds all {len(report.existing)}, as the jobs expect them.")


def judge_lags(lags: Sequence[Lag], live: Sequence[str]) -> Iterator[Finding]:
    """Tell of each live job how far it is behind."""
    for lag in lags:
        if lag.job in live:
            yield judge_lag(lag)


def judge_lag(lag: Lag) -> Finding:
    """Tell how far a job is behind."""
    if lag.records is None:
        return ok("lag", f"{lag.job} has read nothing of {lag.topic} yet, or made no checkpoint since.")
    behind = f"{lag.job} is {lag.records:,} records of {lag.topic} behind, the oldest {span(lag.seconds)} old"
    late_s = lag.seconds - lag.told_every_s
    if late_s >= FAR_BEHIND_S:
        return problem("lag", f"{behind}: it does not keep up; give it a higher FRESHET_FLINK__PARALLELISM.")
    if late_s >= BEHIND_S:
        return warning("lag", f"{behind}: it catches up, or needs a higher FRESHET_FLINK__PARALLELISM; look again.")
    return ok("lag", f"{behind}." if lag.records else f"{lag.job} has read all of {lag.topic}.")


def look_at_topics(settings: Settings) -> TopicReport:
    """Compare the broker's topics with ours.

    Raises:
        FreshetError: the broker does not answer.
    """
    return check_topics(settings)


def look_at_lags(settings: Settings, now: float | None = None, jobs: Collection[str] = READS.keys()) -> list[Lag]:
    """Ask how far each of these jobs is, as its group's committed offsets say: those of its last checkpoint.

    Raises:
        FreshetError: the broker does not answer.
    """
    now = time.time() if now is None else now
    try:
        return [_lag(settings, job, READS[job], now) for job in jobs]
    except KafkaError as error:
        raise kafka_down(settings, error) from None


def _lag(settings: Settings, job: str, topic: str, now: float) -> Lag:
    consumer = KafkaConsumer(
        bootstrap_servers=servers(settings),
        group_id=f"freshet-{job}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    with closing(consumer):
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        places = {partition: consumer.committed(partition) for partition in partitions}
        if not any(place is not None for place in places.values()):
            return Lag(job, topic, None)
        starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        reached = {one: max(places[one] or 0, starts[one]) for one in partitions}
        waiting = {one: place for one, place in reached.items() if place < ends[one]}
        oldest = _oldest(consumer, waiting)
        if oldest is None:
            return Lag(job, topic, 0)
        told_every_s = settings.features.checkpoint_seconds if job in STATEFUL else 0.0
        records = sum(ends[one] - place for one, place in waiting.items())
        return Lag(job, topic, records, max(0.0, now - oldest), told_every_s)


def _oldest(consumer: Any, waiting: dict[TopicPartition, int]) -> float | None:
    """Return when the oldest unread record was written; None when what is left are marks of transactions alone."""
    if not waiting:
        return None
    consumer.assign(list(waiting))
    for partition, place in waiting.items():
        consumer.seek(partition, place)
    times: dict[TopicPartition, float] = {}
    deadline = time.monotonic() + len(waiting) * POLL_MS / 1000
    while len(times) < len(waiting) and time.monotonic() < deadline:
        for partition, batch in consumer.poll(timeout_ms=POLL_MS).items():
            times.setdefault(partition, batch[0].timestamp / 1000)
    return min(times.values(), default=None)
