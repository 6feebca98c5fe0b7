"""Flink: the cluster, its jobs, their checkpoints, and whether they compute what is registered."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from freshet.doctor.finding import Finding, ok, problem, size, span, warning
from freshet.submit import JOBS, LIVE, Cluster, Job

VERSION = "2.3"
OPTIONAL = frozenset(("rules", "trends"))
"""Jobs that are for who wants them: one that does not run is no problem."""

RECENT_S = 600
YOUNG_S = 60
CHECKPOINTS_MISSED = 12
"""A job whose last checkpoint is older than so many intervals makes none any more."""


@dataclass(frozen=True)
class Capacity:
    """What the TaskManagers have, all together, in bytes and slots."""

    version: str
    taskmanagers: int
    slots: int
    free_slots: int
    heap_bytes: int
    managed_bytes: int


@dataclass(frozen=True)
class Checkpoints:
    """How a job's checkpoints go; ages are None where there was none. `failed` counts since the job was started."""

    interval_s: float
    age_s: float | None = None
    took_s: float = 0.0
    state_bytes: int = 0
    failed: int = 0
    failure_age_s: float | None = None
    backend: str = ""


@dataclass(frozen=True)
class Running:
    """A job as the cluster knows it; an empty `state` says that it does not run."""

    name: str
    state: str = ""
    age_s: float = 0.0
    failure: str = ""
    failure_age_s: float | None = None
    checkpoints: Checkpoints | None = None


def judge_capacity(has: Capacity) -> Iterator[Finding]:
    """Tell whether the cluster can run jobs."""
    if not has.taskmanagers:
        yield problem("flink", "No TaskManager is there, so no job can run: start one (locally `freshet up`).")
        return
    if not has.version.startswith(VERSION):
        yield warning("flink", f"It is Flink {has.version}; the jobs are tested on {VERSION}: use that.")
    yield ok(
        "flink",
        f"Flink {has.version}, {has.taskmanagers} TaskManager(s), {has.free_slots} of {has.slots} slots free, "
        f"{size(has.heap_bytes)} heap and {size(has.managed_bytes)} managed memory.",
    )


def judge_jobs(jobs: Sequence[Running], has: Capacity, wanted: Sequence[str]) -> Iterator[Finding]:
    """Tell of each job whether it runs, and of one that does how its checkpoints go."""
    for job in jobs:
        if job.state:
            yield judge_job(job)
            if job.checkpoints and job.state == "RUNNING":
                yield judge_checkpoints(job.name, job.age_s, job.checkpoints)
        elif job.name in wanted:
            slots = "" if has.free_slots else " No slot is free for it: raise taskmanager.numberOfTaskSlots first."
            told = warning if job.name in OPTIONAL else problem
            yield told("jobs", f"{job.name} does not run: `freshet submit {job.name}`.{slots}")


def judge_job(job: Running) -> Finding:
    """Tell whether a job that was started runs."""
    why = f"; the reason was: {job.failure}" if job.failure else ""
    if job.state not in ("RUNNING", "CREATED", "INITIALIZING"):
        return problem("jobs", f"{job.name} is {job.state.lower()}{why}")
    if job.failure_age_s is not None and job.failure_age_s < RECENT_S:
        return warning("jobs", f"{job.name} runs, and was restarted {span(job.failure_age_s)} ago{why}")
    return ok("jobs", f"{job.name} runs, for {span(job.age_s)}.")


def judge_checkpoints(job: str, age_s: float, made: Checkpoints) -> Finding:
    """Tell whether a restart would replay little."""
    patience = max(YOUNG_S, CHECKPOINTS_MISSED * made.interval_s)
    if made.age_s is None and age_s <= patience:
        return ok("checkpoints", f"{job} has made none yet; it runs for {span(age_s)}.")
    if made.age_s is None or made.age_s > patience:
        since = "has made none" if made.age_s is None else f"made its last one {span(made.age_s)} ago"
        return problem(
            "checkpoints", f"{job} {since}, {made.failed} failed: see the job's page for the slow or failing task."
        )
    last = f"{job}: {size(made.state_bytes)}, {span(made.age_s)} old, made in {made.took_s:.1f} s"
    if made.failure_age_s is not None and made.failure_age_s < RECENT_S:
        return warning(
            "checkpoints",
            f"{last}; one failed {span(made.failure_age_s)} ago, {made.failed} in all: see the job's page.",
        )
    return ok("checkpoints", f"{last}.")


def judge_definitions(computed: str | None, registered: str, sent_as: str = "features") -> Finding:
    """Tell whether the running job computes what is registered; both are digests."""
    if computed == registered:
        return ok("features", "The running job computes what is registered.")
    return warning(
        "features", f"The running job computes other features than are registered: `freshet submit {sent_as}`."
    )


def look_at_capacity(cluster: Cluster) -> Capacity:
    """Ask the cluster what it has.

    Raises:
        FreshetError: it does not answer.
    """
    overview = cluster.get("/overview")
    listed = cluster.get("/taskmanagers")["taskmanagers"]
    memory = [one.get("memoryConfiguration", {}) for one in listed]
    return Capacity(
        version=str(overview["flink-version"]),
        taskmanagers=len(listed),
        slots=int(overview["slots-total"]),
        free_slots=int(overview["slots-available"]),
        heap_bytes=sum(one.get("taskHeap") or 0 for one in memory),
        managed_bytes=sum(one.get("managedMemory") or 0 for one in memory),
    )


def look_at_jobs(cluster: Cluster) -> list[Running]:
    """Ask the cluster for each of our jobs.

    Raises:
        FreshetError: it does not answer.
    """
    now_ms = time.time() * 1000
    jobs = {job.name.removeprefix("freshet-"): job for job in cluster.jobs() if job.state in LIVE}
    return [_running(cluster, name, jobs[name], now_ms) if name in jobs else Running(name) for name in JOBS]


def _running(cluster: Cluster, name: str, job: Job, now_ms: float) -> Running:
    started = cluster.get(f"/jobs/{job.id}")["start-time"]
    history = cluster.get(f"/jobs/{job.id}/exceptions?maxExceptions=1")["exceptionHistory"]["entries"]
    statistics = cluster.get(f"/jobs/{job.id}/checkpoints")
    configured = cluster.get(f"/jobs/{job.id}/checkpoints/config")
    return Running(
        name=name,
        state=job.state,
        age_s=(now_ms - started) / 1000,
        failure=reason(history[0]["stacktrace"]) if history else "",
        failure_age_s=(now_ms - history[0]["timestamp"]) / 1000 if history else None,
        checkpoints=checkpoints_of(statistics, configured, now_ms),
    )


def reason(stack_trace: str) -> str:
    """Return the innermost cause of a stack trace, on one line.

    >>> reason("a.TaskException: it failed\\n\\tat a.B.c(B.java:1)\\nCaused by: b.NoStore: connection refused\\n\\tat b")
    'connection refused'
    """
    lines = [line.strip() for line in stack_trace.splitlines() if line and not line.startswith(("\t", " "))]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    told = (causes or lines or ["it is not told"])[-1]
    return told.split(": ", 1)[-1][:200]


def checkpoints_of(statistics: dict[str, Any], configured: dict[str, Any], now_ms: float) -> Checkpoints:
    """Return the facts of Flink's answers about a job's checkpoints."""
    latest = statistics["latest"]
    completed, failed = latest.get("completed"), latest.get("failed")
    return Checkpoints(
        interval_s=configured["interval"] / 1000,
        age_s=(now_ms - completed["latest_ack_timestamp"]) / 1000 if completed else None,
        took_s=completed["end_to_end_duration"] / 1000 if completed else 0.0,
        state_bytes=completed["state_size"] if completed else 0,
        failed=statistics["counts"]["failed"],
        failure_age_s=(now_ms - failed["failure_timestamp"]) / 1000 if failed else None,
        backend=str(configured.get("state_backend", "")),
    )
