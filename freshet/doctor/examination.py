"""The whole examination: every part is looked at, and one that does not answer keeps no other from being looked at."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from freshet.doctor import broker, cluster, events, local, registry, state, store
from freshet.doctor.finding import Finding, Level, found
from freshet.doctor.state import ViewSize
from freshet.settings import Settings
from freshet.submit import Cluster, Job

FEATURES = "features"


@dataclass(frozen=True)
class Examination:
    """What was found, how large the state of each view is, and of each task of the features job, in bytes."""

    findings: Sequence[Finding]
    views: Sequence[ViewSize] = ()
    tasks: dict[str, int] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    """Secrets are masked."""

    def count(self, level: Level) -> int:
        """Return how many findings are of a level."""
        return sum(one.level == level for one in self.findings)


@dataclass(frozen=True)
class Flink:
    """What was found of the cluster; `live` are the names of the jobs that run."""

    findings: Sequence[Finding]
    live: Sequence[str] = ()
    views: Sequence[ViewSize] = ()
    tasks: dict[str, int] = field(default_factory=dict)


def examine(settings: Settings) -> Examination:
    """Look at everything."""
    looks: list[Callable[[], list[Finding]]] = [
        lambda: found("settings", lambda: local.judge_settings(os.environ)),
        lambda: found("key", lambda: local.judge_key(settings)),
        lambda: found("model", lambda: local.judge_model(settings)),
        lambda: found("topics", lambda: topics(settings)),
        lambda: found("schemas", lambda: schemas(settings)),
        lambda: found("redis", lambda: store.judge_store(store.look_at_store(settings))),
        lambda: found("archive", lambda: events.judge_archive(events.look_at_archive(settings))),
    ]
    with ThreadPoolExecutor(len(looks) + 1) as pool:
        asked = [pool.submit(look) for look in looks]
        flink = pool.submit(look_at_flink, settings).result()
        before = [finding for one in asked for finding in one.result()]
    lags = found("lag", lambda: broker.judge_lags(broker.look_at_lags(settings), flink.live)) if flink.live else []
    findings = [*before, *flink.findings, *lags]
    return Examination(findings, flink.views, flink.tasks, settings.model_dump(mode="json"))


def topics(settings: Settings) -> Iterator[Finding]:
    """Look at the topics."""
    return broker.judge_topics(broker.look_at_topics(settings), settings.kafka.bootstrap_servers)


def schemas(settings: Settings) -> Iterator[Finding]:
    """Look at the schemas."""
    return registry.judge_schemas(registry.look_at_schemas(settings), settings.registry.url)


def look_at_flink(settings: Settings) -> Flink:
    """Look at the cluster, the jobs, and the state of the features job."""
    flink, looked = Cluster(settings), list[Flink]()

    def look() -> Sequence[Finding]:
        looked.append(_flink(settings, flink, cluster.look_at_capacity(flink), cluster.look_at_jobs(flink)))
        return looked[0].findings

    findings = found("flink", look)
    return looked[0] if looked else Flink(findings)


def _flink(settings: Settings, flink: Cluster, has: cluster.Capacity, jobs: Sequence[cluster.Running]) -> Flink:
    wanted = [job.name for job in jobs if job.name not in cluster.OPTIONAL or has_rules(settings)]
    findings = [*cluster.judge_capacity(has), *cluster.judge_jobs(jobs, has, wanted)]
    live = [job.name for job in jobs if job.state]
    made = {job.name: job.checkpoints for job in jobs if job.checkpoints}
    job = flink.live(FEATURES)
    if job is None or FEATURES not in made:
        return Flink(findings, live)
    findings += state.judge_state(sum(one.state_bytes for one in made.values()), made[FEATURES].backend, has)
    return _with_views(settings, flink, job, Flink(findings, live))


def _with_views(settings: Settings, flink: Cluster, job: Job, looked: Flink) -> Flink:
    from freshet.jobs.feature_registry import registered_views
    from freshet.udfs.engine_spec import DEFINITIONS, digest_of

    views: list[ViewSize] = []

    def look() -> Iterator[Finding]:
        registered = registered_views(settings)
        yield cluster.judge_definitions(flink.parameter(job, DEFINITIONS), digest_of(registered))
        measured = state.look_at_metrics(flink, job)
        views.extend(state.sizes(registered, measured, state.look_at_sample(settings, registered)))

    findings = [*looked.findings, *found("features", look)]
    return Flink(findings, looked.live, views, state.look_at_tasks(flink, job))


def has_rules(settings: Settings) -> bool:
    """Tell whether rules are stored, so that their job is wanted."""
    from freshet.jobs.rule_registry import registered_rules

    return bool(registered_rules(settings))
