"""What the features take to keep: bytes of Flink state, as a checkpoint holds it, and of the online store's memory."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from harness import Bench

from freshet.errors import FreshetError
from freshet.jobs.feature_registry import registered_views
from freshet.submit import Job
from freshet.udfs.feast_layout import EntityKeys

DEDUPLICATION = "Deduplicate"  # what Flink calls the operator that keeps the event ids
CHECKPOINT_S = 150.0
SAMPLE = 500  # hashes of each view whose memory is asked for
SCANNED_A_CALL = 2_000


@dataclass(frozen=True)
class StateSize:
    """Bytes of a job's state: of the event ids that it has seen, and of everything else."""

    event_ids: int
    features: int


def state_size(bench: Bench, job: Job) -> StateSize:
    """Return the size of the next checkpoint of a job, which has nothing left to do.

    Raises:
        FreshetError: no checkpoint is completed in time.
    """
    checkpoint = next_checkpoint(bench, job)
    names = {vertex["id"]: vertex["name"] for vertex in bench.cluster.get(f"/jobs/{job.id}")["vertices"]}
    details = bench.cluster.get(f"/jobs/{job.id}/checkpoints/details/{checkpoint}")
    return split({names[vertex]: task["state_size"] for vertex, task in details["tasks"].items()})


def split(sizes: Mapping[str, int]) -> StateSize:
    """Tell the event ids apart, by the names of the tasks.

    >>> split({"Source: events": 10, "Deduplicate[6] -> touches": 500, "features -> online-store": 2000})
    StateSize(event_ids=500, features=2010)
    """
    event_ids = sum(size for name, size in sizes.items() if DEDUPLICATION in name)
    return StateSize(event_ids, sum(sizes.values()) - event_ids)


def next_checkpoint(bench: Bench, job: Job) -> int:
    """Wait for a checkpoint that begins from now on, and return its number.

    Raises:
        FreshetError: none is completed in time.
    """
    now, deadline = time.time() * 1000, time.monotonic() + CHECKPOINT_S
    while time.monotonic() < deadline:
        latest: Any = bench.cluster.get(f"/jobs/{job.id}/checkpoints")["latest"]["completed"]
        if latest and latest["trigger_timestamp"] >= now:
            return int(latest["id"])
        time.sleep(0.5)
    raise FreshetError(
        f"Job {job.name} has completed no checkpoint in {CHECKPOINT_S:.0f} s; read {bench.stack.home.logs}."
    )


def store_bytes(bench: Bench) -> int:
    """Return how much memory the online store uses."""
    return int(bench.redis().info("memory")["used_memory"])


def hash_sizes(bench: Bench) -> dict[str, float]:
    """Return for each view how many hashes the store holds, and the mean bytes of one, of a sample."""
    found: dict[str, float] = {}
    for view, keys in keys_by_view(bench).items():
        with bench.redis().pipeline(transaction=False) as pipe:
            for key in islice(keys, SAMPLE):
                pipe.memory_usage(key, samples=0)
            sizes = pipe.execute()
        found |= {f"redis_hashes_{view}": len(keys), f"redis_bytes_per_hash_{view}": sum(sizes) / max(1, len(sizes))}
    return found


def keys_by_view(bench: Bench) -> dict[str, list[bytes]]:
    """Return the keys of each view's entities, in no order."""
    kinds = {
        view.name: EntityKeys(bench.settings.redis.project, view.keys) for view in registered_views(bench.settings)
    }
    found: dict[str, list[bytes]] = {name: [] for name in kinds}
    for key in scanned(bench):
        for name, kind in kinds.items():
            if kind.values_of(key) is not None:
                found[name].append(key)
    return found


def scanned(bench: Bench) -> Iterator[bytes]:
    """Yield the store's keys."""
    yield from bench.redis().scan_iter(count=SCANNED_A_CALL)
