"""Sends jobs to the Flink cluster and asks it about them."""

import os
import re
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from freshet.errors import FreshetError
from freshet.settings import Settings
from freshet.stack.flink import Flink, flink_command
from freshet.stack.home import Home
from freshet.stack.java import find_java

JOBS = {
    "ingest": "validate, pseudonymise and enrich raw interactions",
    "features": "keep the stream feature views of the Feast registry fresh in the online store",
    "scoring": "score each updated user and write the top-N list",
}
LIVE = frozenset(("INITIALIZING", "CREATED", "RUNNING", "RESTARTING", "FAILING", "RECONCILING"))
SUBMIT_TIMEOUT_S = 600


@dataclass(frozen=True)
class Job:
    """A job as the cluster lists it."""

    id: str
    name: str
    state: str


class Cluster:
    """The Flink cluster behind `settings.flink.rest_url`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = settings.flink.rest_url

    def jobs(self) -> list[Job]:
        """Return every job that the cluster remembers.

        Raises:
            FreshetError: the cluster does not answer.
        """
        return [Job(job["jid"], job["name"], job["state"]) for job in self.get("/jobs/overview")["jobs"]]

    def live(self, name: str) -> Job | None:
        """Return the job `name` if it runs or is about to."""
        full_name = f"freshet-{name}"
        return next((job for job in self.jobs() if job.name == full_name and job.state in LIVE), None)

    def get(self, path: str) -> Any:
        """Ask the REST API.

        Raises:
            FreshetError: no usable answer.
        """
        try:
            response = httpx.get(self.url + path, timeout=10)
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise FreshetError(
                f"The Flink cluster at {self.url} does not answer; start one with `freshet up` or set "
                "FRESHET_FLINK__REST_URL."
            ) from None

    def submit(self, name: str, *, savepoint: str | None = None) -> Job:
        """Send a job of Freshet to the cluster, unless it runs there already, and return it.

        Raises:
            FreshetError: no such job, no cluster, or the job cannot be built; the text carries the reason.
        """
        if name not in JOBS:
            raise FreshetError(f"There is no job {name!r}; choose one of {', '.join(JOBS)}.")
        running = self.live(name)
        if running:
            return running
        job_id = self._run(name, savepoint)
        return Job(job_id, f"freshet-{name}", "CREATED")

    def _run(self, name: str, savepoint: str | None) -> str:
        home = Home(self.settings.local.home)
        environment = Flink(self.settings, home).environment(find_java())
        command = [*flink_command(), "run", *run_options(self.url, name, savepoint)]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=SUBMIT_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise FreshetError(f"Job {name} was not accepted within {SUBMIT_TIMEOUT_S} s; read {home.logs}.") from None
        found = re.search(r"JobID ([0-9a-f]{32})", done.stdout)
        if done.returncode != 0 or not found:
            raise FreshetError(f"Job {name} was not accepted: {reason_in(done.stdout + done.stderr)}")
        return found.group(1)


def run_options(url: str, name: str, savepoint: str | None) -> list[str]:
    """Return the arguments of `flink run` for one of our jobs."""
    address = urlsplit(url)
    restore = ["--fromSavepoint", savepoint] if savepoint else []
    return [
        "--detached",
        "--jobmanager",
        f"{address.hostname}:{address.port}",
        *restore,
        "--python",
        str(entry_file(name)),
    ]


def entry_file(name: str) -> Path:
    """Return the file of a job, as `flink run --python` takes it."""
    spec = find_spec(f"freshet.jobs.{name}")
    assert spec is not None and spec.origin is not None  # JOBS names only what ships
    return Path(os.path.realpath(spec.origin))


def reason_in(output: str) -> str:
    """Return the line of a client's output that a person needs: our own sentence, or the innermost cause."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for prefix in ("freshet.errors.FreshetError: ", "freshet.schemas.registry.", "Caused by: "):
        found = [line for line in lines if line.startswith(prefix)]
        if found:
            return found[-1].split(": ", 1)[1]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (errors or lines or ["no reason was given"])[-1]
