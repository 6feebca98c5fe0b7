"""Makes the fixture of `test_earlier_savepoint.py` anew: a savepoint of the features job as it is now.

    cd tests && ../.venv/bin/python -m e2e.earlier.make

It is made once a release and committed with it, so that the next one is held to it.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from e2e.running import is_running, until
from freshet.replay.produce import EventProducer
from freshet.schemas.avro import Record
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.settings import Settings
from freshet.submit import Cluster
from freshet.udfs.read_features import FeatureReader, Reading
from freshet.udfs.redis_pipe import RedisPipe
from local_stack import own_stack

HERE = Path(__file__).resolve().parent
SAVEPOINT, EXPECTED = HERE / "savepoint", HERE / "expected.json"
DAY = 86_400_000
SUBJECTS = [f"subject-{number:018d}" for number in range(3)]
KINDS = ("view", "click", "add_to_cart", "purchase", "view", "search")
LASTING = ("user_items_last_20", "user_purchases_last_50", "user_categories_last_50")
WINDOWS = ("user_events_count_5m", "user_events_count_24h", "user_session_length")


def a_clean_event(subject: str, number: int, at: int) -> Record:
    """Return the n-th event of a subject as a record of `interactions.clean`."""
    kind = KINDS[number % len(KINDS)]
    item = None if kind == "search" else f"item-{number % 4}"
    return {
        "event_id": f"{subject}-{number}",
        "subject": subject,
        "item_id": item,
        "event_type": kind,
        "event_time": at,
        "value": 2.5 * number if kind == "purchase" else None,
        "session_id": None,
        "request_id": None,
        "department": None,
        "category": f"category-{number % 2}" if item else None,
        "product_type": None,
        "brand": None,
        "source_partition": 0,
        "source_offset": number,
        "context": {},
    }


def send(settings: Settings, events: list[Record]) -> None:
    """Send clean events, as the ingest job would."""
    with EventProducer(settings) as producer:
        encode = producer.ready(INTERACTIONS_CLEAN)
        for event in events:
            producer.produce_bytes(INTERACTIONS_CLEAN, event["subject"].encode(), encode(event))


def read(settings: Settings, subject: str) -> Reading:
    """Return what the store holds of a subject: the lasting features, then those of windows."""
    pipe = RedisPipe(settings.redis.url.get_secret_value())
    reader = FeatureReader(pipe, settings.redis.project, "user_activity", ["subject"], (*LASTING, *WINDOWS))
    [reading] = reader.read([(subject,)])
    return reading


def count_of(reading: Reading) -> int:
    """Return how many events the features of a reading hold."""
    return int((reading.version or "-0").rsplit("-", 1)[1])


def main() -> None:
    """Run the job over some events, stop it with a savepoint, and keep that and what the store held."""
    shutil.copy(HERE.parents[2] / "feature_repo" / "definitions.py", HERE / "definitions.py")
    with own_stack() as (settings, freshet):
        freshet("features", "apply", "--repo", str(HERE))
        freshet("submit", "features")
        cluster = Cluster(settings)
        until(lambda: is_running(cluster, "features"), "the features job")
        past = int(time.time() * 1000) - 3 * DAY  # so that every window is over when the savepoint is tried
        numbers = range(len(KINDS))
        send(settings, [a_clean_event(one, number, past + number) for one in SUBJECTS for number in numbers])
        until(lambda: all(count_of(read(settings, one)) == len(KINDS) for one in SUBJECTS), "the events", timeout_s=60)
        expected: dict[str, Any] = {one: read(settings, one).values[: len(LASTING)] for one in SUBJECTS}
        job = cluster.live("features")
        assert job is not None
        shutil.rmtree(SAVEPOINT, ignore_errors=True)
        shutil.copytree(urlsplit(cluster.stop(job)).path, SAVEPOINT)
    EXPECTED.write_text(json.dumps(expected, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
