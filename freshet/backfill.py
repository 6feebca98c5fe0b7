"""Fills features from the archive: the running job stops, its savepoint gains what the archive knows, and it goes on.

While that is done features stand still; readers find the last values. What is copied beforehand is copied while it runs.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from freshet.archive.export import ends, exported
from freshet.errors import FreshetError
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.settings import Settings
from freshet.submit import Cluster, Job
from freshet.udfs.views import View

RECENT_MS = 3_600_000
"""Records of the last hour are read from the topic: by then each transaction has ended, so that what was written in one that
failed has been written again, and archived."""

WRITES_PER_S = (
    5_000  # of the entities that have changed, once the job goes on; a third of what the store's writer carries
)
LONGEST_SPREAD_MS = 1_800_000

Say = Callable[[str], None]


@dataclass(frozen=True)
class Filled:
    """What came of it."""

    features: list[str]
    job: Job
    savepoint: str


def backfill(settings: Settings, names: Sequence[str], say: Say) -> Filled:
    """Fill features of the running features job from the archive: those named, or those that it does not compute yet.

    Args:
        settings: where everything is.
        names: views, or `<view>:<feature>`.
        say: told what is being done.

    Raises:
        FreshetError: nothing to fill, no archive, a gap between archive and topic, or a job that fails; unless the text says
            otherwise, the features job runs on or is stopped with a savepoint that the text names.
    """
    from freshet.jobs.feature_registry import registered_views

    cluster, views = Cluster(settings), registered_views(settings)
    running = cluster.live("features")
    if running is None:
        raise FreshetError(
            "The features job does not run: start it with `freshet submit features`, then fill features."
        )
    wanted = features_to_fill(views, names, computed_by(cluster, running))
    archived_to = ends(settings.archive.path)
    starts = tail_starts(settings, archived_to)
    say("The archive is read ...")
    with exported(settings.archive.path) as archived:
        say("The features job stops with a savepoint ...")
        savepoint = cluster.stop(running)
        say(f"{len(wanted)} feature{'s' if len(wanted) > 1 else ''} filled ...")
        filled = f"{savepoint}-filled"
        try:
            said = arguments(savepoint, filled, archived, starts, list(wanted.values()), spread_ms(archived_to))
            cluster.run_to_end("backfill", said)
            job = cluster.submit("features", savepoint=filled)
        except FreshetError as error:
            again = f"freshet submit features --from-savepoint {savepoint}"
            raise FreshetError(
                f"{error} The features job is stopped; without the backfill it goes on by `{again}`."
            ) from None
    return Filled(list(wanted), job, filled)


def computed_by(cluster: Cluster, running: Job) -> set[str]:
    """Return the ids of the features that a job computes."""
    from freshet.udfs.engine_spec import FEATURES

    return set((cluster.parameter(running, FEATURES) or "").split("."))


def features_to_fill(views: Sequence[View], names: Sequence[str], computed: set[str]) -> dict[str, str]:
    """Return the ids of the features to fill, by `<view>:<feature>`.

    Raises:
        FreshetError: there is none, or a name is that of no view and no feature.
    """
    from freshet.udfs.engine_spec import definition_ids

    known = definition_ids(views)
    for name in names:
        if not any(name in (feature, feature.partition(":")[0]) for feature in known):
            raise FreshetError(f"There is no view or feature {name!r}; name a view, or a feature as <view>:<feature>.")
    if names:
        return {feature: id_ for feature, id_ in known.items() if {feature, feature.partition(":")[0]} & set(names)}
    new = {feature: id_ for feature, id_ in known.items() if id_ not in computed}
    if not new:
        raise FreshetError("The features job computes all registered features already; name those to fill once more.")
    return new


def tail_starts(settings: Settings, archived: Mapping[int, int]) -> dict[int, int]:
    """Return the offset of each partition from which the topic is read; the archive holds all that is committed before.

    Raises:
        FreshetError: Kafka has let events go that the archive does not hold, or does not answer.
    """
    found = places(settings, int(time.time() * 1000) - RECENT_MS)
    return {partition: tail_start(partition, archived.get(partition, 0), *place) for partition, place in found.items()}


def places(settings: Settings, since: int) -> dict[int, tuple[int, int]]:
    """Return for each partition of the clean topic the first offset since a time in ms, and the first one that there is.

    Raises:
        FreshetError: Kafka does not answer.
    """
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import KafkaError

    try:
        with closing(KafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers)) as consumer:
            numbers = consumer.partitions_for_topic(INTERACTIONS_CLEAN) or ()
            partitions = [TopicPartition(INTERACTIONS_CLEAN, number) for number in numbers]
            recent = consumer.offsets_for_times(dict.fromkeys(partitions, since))
            first, last = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    except KafkaError as error:
        raise FreshetError(f"Kafka at {settings.kafka.bootstrap_servers} does not answer: {error}") from None
    since_then = {one: recent[one].offset if recent.get(one) else last[one] for one in partitions}
    return {one.partition: (since_then[one], first[one]) for one in partitions}


def tail_start(partition: int, archived: int, recent: int, first: int) -> int:
    """Return where one partition is read from.

    >>> tail_start(0, archived=500, recent=420, first=0), tail_start(0, archived=300, recent=420, first=0)
    (420, 300)

    Raises:
        FreshetError: between the archive's end and the topic's beginning events are lost.
    """
    if archived < first:
        raise FreshetError(
            f"The archive ends at offset {archived} of partition {partition} of {INTERACTIONS_CLEAN}, and Kafka begins at "
            f"{first}: what was between is lost, so the features could not be right."
        )
    return max(first, min(archived, recent))


def spread_ms(archived_to: Mapping[int, int]) -> int:
    """Return how long the writing of what has changed may take: there are about as many entities as events, at most.

    >>> spread_ms({0: 5_000, 1: 10_000})
    3000
    """
    return min(sum(archived_to.values()) * 1000 // WRITES_PER_S, LONGEST_SPREAD_MS)


def arguments(
    savepoint: str, target: str, archived: str, starts: Mapping[int, int], features: Sequence[str], spread: int
) -> list[str]:
    """Return the command line of `jobs/backfill.py`."""
    pairs = ",".join(f"{partition}:{offset}" for partition, offset in sorted(starts.items()))
    said = {"savepoint": savepoint, "target": target, "archived": archived, "starts": pairs, "spread-ms": str(spread)}
    said["features"] = ".".join(features)
    return [part for name, text in said.items() for part in (f"--{name}", text)]
