"""The archive: is there one, and does it keep up?"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from pyarrow import fs

from freshet.doctor.finding import Finding, ok, span, warning
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.settings import Settings
from freshet.topics import kafka_down, servers

GRACE_S = 60  # a writer that keeps up is within its flush interval and some


@dataclass(frozen=True)
class Archive:
    """What lies there; an age of None says that nothing does. `is_behind`: newer events wait in the topic."""

    path: str
    files: int = 0
    age_s: float | None = None
    is_behind: bool = False


def judge_archive(archive: Archive) -> Iterator[Finding]:
    """Tell whether events will still be there when Kafka has let them go."""
    if archive.age_s is None:
        yield warning("archive", "There is none, and Kafka keeps events for 30 days: `freshet archive` keeps them.")
        return
    holds = f"{archive.files:,} files in {archive.path}, the newest {span(archive.age_s)} old"
    if archive.is_behind:
        yield warning("archive", f"{holds}, and newer events wait: is `freshet archive` running?")
    else:
        yield ok("archive", f"{holds}; it holds all events.")


def look_at_archive(settings: Settings) -> Archive:
    """List the archive's files, and ask the broker whether there are newer events.

    Raises:
        FreshetError: the broker does not answer.
    """
    path = settings.archive.path
    newest, files = _newest(path)
    if newest is None:
        return Archive(path)
    after = newest + settings.archive.flush_seconds + GRACE_S
    return Archive(path, files, time.time() - newest, _has_events_after(settings, after))


def _newest(path: str) -> tuple[float | None, int]:
    system, root = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
    listed = system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    times = [one.mtime.timestamp() for one in listed if one.is_file and one.path.endswith(".parquet")]
    return max(times, default=None), len(times)


def _has_events_after(settings: Settings, instant: float) -> bool:
    try:
        with closing(KafkaConsumer(bootstrap_servers=servers(settings))) as consumer:
            numbers = consumer.partitions_for_topic(INTERACTIONS_CLEAN) or ()
            asked = {TopicPartition(INTERACTIONS_CLEAN, number): int(instant * 1000) for number in numbers}
            return any(place is not None for place in consumer.offsets_for_times(asked).values()) if asked else False
    except KafkaError as error:
        raise kafka_down(settings, error) from None
