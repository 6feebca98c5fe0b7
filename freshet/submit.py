"""Sends jobs to the Flink cluster and asks it about them."""

import os
import re
import subprocess
import time
from collections.abc import Sequence
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
    "rules": "let what a user does trigger boosts, recalls and interventions",
    "trends": "keep what all users do together: followers, baskets, what is popular, sessions",
}
LIVE = frozenset(("INITIALIZING", "CREATED", "RUNNING", "RESTARTING", "FAILING", "RECONCILING"))
SUBMIT_TIMEOUT_S = 600
STOP_TIMEOUT_S = 180


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

    def parameter(self, job: Job, name: str) -> str | None:
        """Return one of the parameters that a job was submitted with, if it has it.

        Raises:
            FreshetError: the cluster does not answer.
        """
        found = self.get(f"/jobs/{job.id}/config")["execution-config"]["user-config"].get(name)
        return None if found is None else str(found)

    def stop(self, job: Job) -> str:
        """Stop a job and return the savepoint that holds its state.

        Raises:
            FreshetError: the savepoint was not made; the job runs on.
        """
        try:
            asked = httpx.post(f"{self.url}/jobs/{job.id}/stop", json={"drain": False}, timeout=10)
            asked.raise_for_status()
            path = f"/jobs/{job.id}/savepoints/{asked.json()['request-id']}"
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise FreshetError(f"{job.name} could not be asked to stop: {error}") from None
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (answer := self.get(path))["status"]["id"] != "COMPLETED":
            if time.monotonic() > deadline:
                raise FreshetError(f"{job.name} made no savepoint within {STOP_TIMEOUT_S} s; it runs on.")
            time.sleep(0.2)
        operation = answer["operation"]
        if "location" not in operation:
            cause = operation.get("failure-cause", {}).get("stack-trace", "no reason was given")
            raise FreshetError(f"{job.name} made no savepoint and runs on: {reason_in(cause)}")
        return str(operation["location"])

    def upgrade(self, name: str, running: Job) -> tuple[Job, str]:
        """Stop a job with a savepoint, submit it anew from there, and return it and the savepoint.

        Raises:
            FreshetError: it runs on as it was, or is stopped; then the text names the savepoint.
        """
        savepoint = self.stop(running)
        try:
            return Job(self._run(name, savepoint), running.name, "CREATED"), savepoint
        except FreshetError as error:
            again = f"freshet submit {name} --from-savepoint {savepoint}"
            raise FreshetError(f"{error} It is stopped; its state is kept: `{again}`.") from None

    def begin_anew(self, name: str, running: Job) -> Job:
        """Stop a job and submit it again without its state; it reads on where it stood.

        Raises:
            FreshetError: it runs on as it was, or is stopped.
        """
        self.stop(running)
        return Job(self._run(name, None), running.name, "CREATED")

    def run_to_end(self, name: str, arguments: Sequence[str]) -> None:
        """Run a job that ends by itself, with arguments of its own, and wait for its end, however long that takes.

        Raises:
            FreshetError: it failed; the text carries the reason.
        """
        done = self._client([*client_options(self.url), "--python", str(entry_file(name)), *arguments], timeout_s=None)
        if done.returncode != 0:
            raise FreshetError(f"Job {name} failed: {reason_in(done.stdout + done.stderr)}")

    def _run(self, name: str, savepoint: str | None) -> str:
        try:
            done = self._client(run_options(self.url, name, savepoint), SUBMIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            logs = Home(self.settings.local.home).logs
            raise FreshetError(f"Job {name} was not accepted within {SUBMIT_TIMEOUT_S} s; read {logs}.") from None
        found = re.search(r"JobID ([0-9a-f]{32})", done.stdout)
        if done.returncode != 0 or not found:
            raise FreshetError(f"Job {name} was not accepted: {reason_in(done.stdout + done.stderr)}")
        return found.group(1)

    def _client(self, options: Sequence[str], timeout_s: float | None) -> "subprocess.CompletedProcess[str]":
        environment = Flink(self.settings, Home(self.settings.local.home)).environment(find_java())
        command = [*flink_command(), "run", *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)


def run_options(url: str, name: str, savepoint: str | None) -> list[str]:
    """Return the arguments of `flink run` for one of our jobs."""
    restore = ["--fromSavepoint", savepoint, "--allowNonRestoredState"] if savepoint else []
    return ["--detached", *client_options(url), *restore, "--python", str(entry_file(name))]


def client_options(url: str) -> list[str]:
    """Return the arguments of `flink run` that name the cluster."""
    address = urlsplit(url)
    return ["--jobmanager", f"{address.hostname}:{address.port}"]


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
