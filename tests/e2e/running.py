"""Waiting for jobs and for what they do."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from freshet.submit import LIVE, Cluster

JOBS = ("ingest", "features", "scoring")


def until(look: Callable[[], Any], what: str, timeout_s: float = 600.0, poll_s: float = 0.25) -> Any:
    """Return what `look` finds, or fail when it finds nothing in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(poll_s)
    raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what}")


def is_running(flink: Cluster, name: str) -> bool:
    """Tell whether every task of a job runs."""
    return all(vertex["status"] == "RUNNING" for vertex in vertices(flink, name))


def vertices(flink: Cluster, name: str) -> list[dict[str, Any]]:
    """Return what Flink tells of each step of a job."""
    job = flink.live(name)
    assert job is not None, f"job {name} has ended"
    found: list[dict[str, Any]] = flink.get(f"/jobs/{job.id}")["vertices"]
    return found


def restarts(flink: Cluster, name: str) -> int:
    """Return how often a job was restarted."""
    job = flink.live(name)
    assert job is not None
    answer: Any = flink.get(f"/jobs/{job.id}/metrics?get=numRestarts")
    return int(float(answer[0]["value"]))


def cancel(cluster: Cluster, name: str) -> None:
    """Cancel a job, and wait until it is gone."""
    job = cluster.live(name)
    assert job is not None
    httpx.patch(f"{cluster.url}/jobs/{job.id}?mode=cancel", timeout=10).raise_for_status()
    until(
        lambda: [one.state for one in cluster.jobs() if one.id == job.id and one.state not in LIVE], "the cancelled job"
    )
