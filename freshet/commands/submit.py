"""`freshet submit`: send a job to the Flink cluster."""

from typing import Annotated

import typer

from freshet.console import JsonFlag, print_json, say
from freshet.settings import load_settings
from freshet.submit import JOBS, Cluster

JobName = Annotated[
    str, typer.Argument(help="One of: " + ", ".join(f"{name} ({what})" for name, what in JOBS.items()) + ".")
]
Savepoint = Annotated[
    str | None, typer.Option("--from-savepoint", help="Folder of a savepoint or checkpoint to go on from.")
]


def submit(job: JobName, from_savepoint: Savepoint = None, as_json: JsonFlag = False) -> None:
    """Send a job to the Flink cluster. One that runs already is left alone.

    The same by hand, in the cluster's environment: [bold]flink run --python jobs/ingest.py[/bold]
    """
    cluster = Cluster(load_settings())
    running = cluster.live(job) if job in JOBS else None
    sent = cluster.submit(job, savepoint=from_savepoint)
    if as_json:
        print_json({"job": job, "id": sent.id, "submitted": running is None})
        return
    say(f"{job} runs already as {sent.id}." if running else f"{job} was accepted as {sent.id}.")
    say(f"Watch it at {cluster.url}/#/job/running/{sent.id}/overview")
