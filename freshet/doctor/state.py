"""How large state is: for each view the entities and the bytes of one, in Flink and in Redis; and where it fits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import redis

from freshet.doctor.cluster import Capacity
from freshet.doctor.finding import Finding, ok, size, warning
from freshet.doctor.store import connect, store_down
from freshet.settings import Settings
from freshet.submit import Cluster, Job
from freshet.udfs.feast_layout import EntityKeys, version_field
from freshet.udfs.views import View

GROUP = ".freshet.view."
ENTITIES, STATE_BYTES = "entities", "state_bytes"
SAMPLE = 1_000

HEAP_FACTOR = 6
"""So many times the bytes that state is written in its objects take on the heap: a user of two events in the shop's
`user_activity` is 0.9 KB in a checkpoint and 5.7 KB on the heap."""
HEAP_SHARE = 0.5
"""The rest of the heap is for records under way and for the collector."""


@dataclass(frozen=True)
class ViewSize:
    """One view. Bytes are means of one entity, None where nothing is known; `touched` counts since the job's start."""

    view: str
    entities: int
    touched: int
    state_bytes: int | None
    stored_bytes: int | None


@dataclass(frozen=True)
class Sample:
    """Some keys of the store: how many it holds, how many were looked at, and for each view those that hold it."""

    keys: int
    looked_at: int
    holding: Mapping[str, int]
    stored_bytes: Mapping[str, int]
    """The sum of the bytes of the keys that hold a view; a key holds all views of its entity."""


def sizes(views: Sequence[View], measured: Mapping[str, Mapping[str, float]], sample: Sample) -> list[ViewSize]:
    """Join what Flink measures and what a sample of the store shows."""
    found = []
    for view in views:
        holding = sample.holding.get(view.name, 0)
        entities = round(sample.keys * holding / sample.looked_at) if sample.looked_at else 0
        metrics = measured.get(view.name, {})
        state = round(metrics.get(STATE_BYTES, 0)) or None
        stored = round(sample.stored_bytes[view.name] / holding) if holding else None
        found.append(ViewSize(view.name, entities, round(metrics.get(ENTITIES, 0)), state, stored))
    return found


def judge_state(state_bytes: int, backend: str, has: Capacity) -> Iterator[Finding]:
    """Tell which backend the state of all jobs fits; `state_bytes` is the size of their last checkpoints."""
    need, room = state_bytes * HEAP_FACTOR, has.heap_bytes * HEAP_SHARE
    says = f"{size(state_bytes)} in checkpoints, about {size(need)} as objects, of {size(has.heap_bytes)} heap"
    on_heap = "hashmap" in backend.lower()
    if on_heap and need > room:
        yield warning(
            "state",
            f"{says}: too much for the heap. Use RocksDB (FRESHET_LOCAL__STATE_BACKEND=rocksdb), or raise the "
            "TaskManager's memory.",
        )
    elif on_heap:
        yield ok("state", f"{says}: the heap is right for it, up to {size(room / HEAP_FACTOR)} in checkpoints.")
    elif need <= room / 2:
        yield ok("state", f"{says}: it would fit the heap, where it is faster (FRESHET_LOCAL__STATE_BACKEND=hashmap).")
    else:
        yield ok(
            "state", f"{says}: RocksDB is right for it, with {size(has.managed_bytes)} managed memory for its cache."
        )


def look_at_metrics(cluster: Cluster, job: Job) -> dict[str, dict[str, float]]:
    """Return what the features job measures of each view: `entities` of all subtasks, `state_bytes` as their mean.

    Raises:
        FreshetError: the cluster does not answer.
    """
    measured: dict[str, dict[str, float]] = {}
    for vertex in cluster.get(f"/jobs/{job.id}")["vertices"]:
        path = f"/jobs/{job.id}/vertices/{vertex['id']}/subtasks/metrics"
        names = [one["id"] for one in cluster.get(path) if GROUP in one["id"]]
        if names:
            asked = quote(",".join(names))
            measured |= by_view(cluster.get(f"{path}?get={asked}&agg=sum,avg"))
    return measured


def by_view(answer: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Sort Flink's metrics by view.

    >>> by_view([{"id": "features.freshet.view.user_activity.entities", "sum": 9.0, "avg": 4.5}])
    {'user_activity': {'entities': 9.0}}
    """
    found: dict[str, dict[str, float]] = {}
    for one in answer:
        view, _, metric = one["id"].partition(GROUP)[2].rpartition(".")
        found.setdefault(view, {})[metric] = float(one["avg" if metric == STATE_BYTES else "sum"])
    return found


def look_at_tasks(cluster: Cluster, job: Job) -> dict[str, int]:
    """Return the size of each task in the job's last checkpoint, by the task's name.

    Raises:
        FreshetError: the cluster does not answer.
    """
    completed = cluster.get(f"/jobs/{job.id}/checkpoints")["latest"].get("completed")
    if not completed:
        return {}
    names = {vertex["id"]: vertex["name"] for vertex in cluster.get(f"/jobs/{job.id}")["vertices"]}
    tasks = cluster.get(f"/jobs/{job.id}/checkpoints/details/{completed['id']}")["tasks"]
    return {names[vertex]: int(task["state_size"]) for vertex, task in tasks.items() if vertex in names}


def look_at_sample(settings: Settings, views: Sequence[View], most: int = SAMPLE) -> Sample:
    """Look at some keys of the store, at all of them if they are few.

    Raises:
        FreshetError: the store does not answer.
    """
    try:
        with connect(settings) as client:
            count = client.dbsize()
            names = list(client.scan_iter(count=1_000)) if count <= most else _random_keys(client, most)
            return _sampled(client, settings.redis.project, views, count, names)
    except redis.RedisError as error:
        raise store_down(settings, error) from None


def _random_keys(client: redis.Redis, count: int) -> list[bytes]:
    with client.pipeline(transaction=False) as pipe:
        for _ in range(count):
            pipe.randomkey()
        return [name for name in pipe.execute() if name is not None]


def _sampled(client: redis.Redis, project: str, views: Sequence[View], count: int, names: Sequence[bytes]) -> Sample:
    kinds = {view.name: EntityKeys(project, view.keys) for view in views}
    pairs = [(name, view) for name in names for view, keys in kinds.items() if keys.values_of(name) is not None]
    with client.pipeline(transaction=False) as pipe:
        for name, view in pairs:
            pipe.hexists(name, version_field(view))
            pipe.memory_usage(name, samples=0)
        answers = pipe.execute()
    holding: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    for (_, view), is_there, used in zip(pairs, answers[::2], answers[1::2], strict=True):
        if is_there:
            holding[view] += 1
            stored[view] += used or 0
    return Sample(count, len(names), holding, stored)
