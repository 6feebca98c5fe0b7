"""`freshet submit`: send a job to the Flink cluster."""

from typing import Annotated

import typer

from freshet.console import JsonFlag, print_json, say
from freshet.settings import Settings, load_settings
from freshet.submit import JOBS, Cluster, Job

JobName = Annotated[
    str, typer.Argument(help="One of: " + ", ".join(f"{name} ({what})" for name, what in JOBS.items()) + ".")
]
Savepoint = Annotated[
    str | None, typer.Option("--from-savepoint", help="Folder of a savepoint or checkpoint to go on from.")
]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", help="Stop the running job with a savepoint and go on from it, as it is now.")
]


def submit(job: JobName, from_savepoint: Savepoint = None, upgrade: Upgrade = False, as_json: JsonFlag = False) -> None:
    """Send a job to the Flink cluster. One that runs already is left alone.

    Three jobs go by themselves, when what is declared is no longer what they compute. The features and the trends job stop
    with a savepoint and start again from there: what they knew of the others they still know, a new feature or trend counts
    from now on. The rules job begins anew: a pattern that was half complete is forgotten.

    The same by hand, in the cluster's environment: [bold]flink run --python jobs/ingest.py[/bold]
    """
    settings = load_settings()
    cluster = Cluster(settings)
    running = cluster.live(job) if job in JOBS else None
    savepoint = None
    outdated = running is not None and is_outdated(cluster, job, running, settings)
    anew = outdated and job == "rules" and not upgrade
    if running and anew:
        sent = cluster.begin_anew(job, running)
    elif running and (upgrade or outdated):
        say(f"{job} stops with a savepoint ..." if not as_json else "")
        sent, savepoint = cluster.upgrade(job, running)
    else:
        sent = cluster.submit(job, savepoint=from_savepoint)
    if as_json:
        print_json(
            {"job": job, "id": sent.id, "submitted": running is None or anew or savepoint is not None}
            | ({"savepoint": savepoint} if savepoint else {})
        )
        return
    say(outcome(job, sent, None if anew else running, savepoint))
    say(f"Watch it at {cluster.url}/#/job/running/{sent.id}/overview")


def outcome(job: str, sent: Job, running: Job | None, savepoint: str | None) -> str:
    """Return what has happened in a sentence."""
    if savepoint:
        return f"{job} goes on as {sent.id}, from {savepoint}."
    return f"{job} runs already as {sent.id}." if running else f"{job} was accepted as {sent.id}."


def is_outdated(cluster: Cluster, job: str, running: Job, settings: Settings) -> bool:
    """Tell whether a running job computes other features or trends, or follows other rules, than are declared now."""
    from freshet.jobs.feature_registry import registered_views
    from freshet.jobs.rule_registry import registered_rules
    from freshet.udfs import engine_spec, rules, trend_spec, trends

    parameter = {"features": engine_spec.DEFINITIONS, "rules": rules.RULES, "trends": trend_spec.TRENDS}.get(job)
    computed = cluster.parameter(running, parameter) if parameter else None
    if computed is None:
        return False
    if job == "features":
        return computed != engine_spec.digest_of(registered_views(settings))
    if job == "trends":
        return computed != trend_spec.digest_of(trends.TRENDS)
    return computed != rules.digest_of(registered_rules(settings))
