"""How long after an event is produced its features, and the list that they lead to, can be read from Redis.

The front door is the raw topic `interactions`; ingest, features and scoring run, with checkpoints. The load is open-loop: each
event has its time, whatever the jobs do. One event in six is a probe: its user has several events already and one event
outstanding at most, so the number that its features must count up to is known. A process of its own polls for that.
"""

import os
import time
from collections.abc import Iterator

import numpy as np
from harness import Bench, fill
from load import send
from probes import CountsTo, Lookout, Probe, Seen, all_of, lost, percentiles, seconds_of
from rich import print as say

from freshet.errors import FreshetError
from freshet.models.artefact import Artefact, default_folder
from freshet.replay import journey
from freshet.replay.pace import Pace
from freshet.schemas.avro import Record
from freshet.schemas.keys import TopN
from freshet.schemas.topics import CATALOG, INTERACTIONS
from freshet.submit import Job
from freshet.udfs.feast_layout import EntityKeys, version_field
from freshet.udfs.pseudonym import load_key, subject_of

RATE = 300.0
PROBE_EVERY = 6
PROBES = 1_000  # users that are probed in turn: at 50 probes a second, each every 20 s
BACKGROUND_USERS = 20_000
LINGER_MS = 4  # as a front end that sends hundreds of events a second has it; part of what is measured
READY_S = 180.0
FIRST_USER = "first"
JOBS = ("ingest", "features", "scoring")
FEATURE, LIST = "features", "a list"


class Load:
    """The events of the run, each made when it is due; those of probe users are told to the lookout first."""

    def __init__(self, bench: Bench, view: str, items: list[str], lookout: Lookout, with_lists: bool) -> None:
        self._settings = bench.settings
        self._key = load_key(bench.settings.privacy.pseudonym_key_file)
        self._key_of = EntityKeys(bench.settings.redis.project, ("subject",))
        self._items = items
        self._version = version_field(view)
        self._lookout = lookout
        self._with_lists = with_lists
        self._rng = np.random.default_rng(7)
        self._counts: dict[str, int] = {}
        self._run = f"latency-{time.time_ns()}"

    def first(self) -> Iterator[Record]:
        """Yield one event, to see when the jobs' Python workers are there."""
        yield self._record("first", FIRST_USER)

    def first_key(self) -> bytes:
        """Return the key in which the effect of the first event shows."""
        subject = subject_of(FIRST_USER, self._key)
        return self._list_key(subject) if self._with_lists else self._key_of((subject,))

    def paced(self, warm_up_s: float, seconds: float) -> Iterator[Record]:
        """Yield events when they are due: the pace counts from the beginning, so one that is late delays no other."""
        for number in Pace(rate=RATE)({"number": number} for number in range(int((warm_up_s + seconds) * RATE))):
            yield self._event(number["number"], is_warm=number["number"] >= warm_up_s * RATE)

    def _event(self, number: int, *, is_warm: bool) -> Record:
        probed = number % PROBE_EVERY == 0
        user = f"probe-{number // PROBE_EVERY % PROBES}" if probed else f"user-{self._rng.integers(BACKGROUND_USERS)}"
        if probed:
            self._counts[user] = self._counts.get(user, 0) + 1
        if probed and is_warm:
            self._announce(user)
        return self._record(str(number), user)

    def _record(self, number: str, user: str) -> Record:
        return {
            "event_id": f"{self._run}-{number}",
            "user_id": user,
            "item_id": self._items[int(self._rng.integers(len(self._items)))],
            "event_type": "view",
            "event_time": time.time_ns() // 1_000_000,
            "value": None,
            "session_id": None,
            "request_id": None,
            "context": {"page": "home"},
        }

    def _list_key(self, subject: str) -> bytes:
        return TopN(self._settings.lists.placement, subject).encode().encode()

    def _announce(self, user: str) -> None:
        subject, sign, now = subject_of(user, self._key), CountsTo(self._counts[user]), time.monotonic()
        self._lookout.expect(Probe(FEATURE, self._key_of((subject,)), (self._version,), sign, now))
        if self._with_lists:
            self._lookout.expect(Probe(LIST, self._list_key(subject), (), sign, now))


def measure(bench: Bench, view: str, warm_up_s: float, seconds: float) -> tuple[list[Seen], bool]:
    """Run the jobs and the load, and return what was seen of the probes after the warm-up, and whether lists were.

    Raises:
        FreshetError: a job does not run.
    """
    bench.redis().flushall()
    fill(bench.settings, CATALOG, journey.catalogue(), "item_id")
    jobs = start_jobs(bench)
    try:
        with_lists = "freshet-scoring" in [job.name for job in jobs]
        return _drive(bench, view, with_lists, warm_up_s, seconds), with_lists
    finally:
        bench.cancel_all()


def start_jobs(bench: Bench) -> list[Job]:
    """Submit the jobs and wait until they run; without a model there is no scoring, and a line says so."""
    jobs = []
    for name in JOBS:
        try:
            jobs.append(bench.cluster.submit(name))
        except FreshetError as error:
            if name != "scoring":
                raise
            say(f"[yellow]No lists are measured:[/yellow] {error}")
    for job in jobs:
        bench.wait_until_tasks_run(job)
    return jobs


def _drive(bench: Bench, view: str, with_lists: bool, warm_up_s: float, seconds: float) -> list[Seen]:
    lookout = Lookout(bench.settings.redis.url.get_secret_value())
    load = Load(bench, view, items_of_the_model(), lookout, with_lists)
    send(bench.settings, INTERACTIONS, load.first(), linger_ms=LINGER_MS)
    _wait_for(bench, load.first_key())
    send(bench.settings, INTERACTIONS, load.paced(warm_up_s, seconds), linger_ms=LINGER_MS)
    return lookout.end()


def _wait_for(bench: Bench, key: bytes) -> None:
    client, deadline = bench.redis(), time.monotonic() + READY_S
    while not client.exists(key):
        if time.monotonic() > deadline:
            raise FreshetError(
                f"The first event has had no effect after {READY_S:.0f} s; read {bench.stack.home.logs}."
            )
        time.sleep(0.1)


def items_of_the_model() -> list[str]:
    """Return the items that the ranker knows, so that a list is made for what was looked at; else some of the catalogue."""
    try:
        return list(Artefact.load(default_folder()).vocabulary.items)
    except FreshetError:
        return [item["item_id"] for _, item in zip(range(5_000), journey.catalogue(), strict=False)]


def figures(bench: Bench, view: str, warm_up_s: float, seconds: float) -> dict[str, float]:
    """Run the benchmark and return its figures.

    Raises:
        FreshetError: a job does not run, or a probe's features never came.
    """
    seen, with_lists = measure(bench, view, warm_up_s, seconds)
    features = all_of(seen, FEATURE)
    found = {f"event_to_feature_{name}_ms": value for name, value in percentiles(features).items()}
    if with_lists:
        found |= {"event_to_list_lost": lost(seen, LIST)}
        found |= {f"event_to_list_{name}_ms": value for name, value in percentiles(seconds_of(seen, LIST)).items()}
    return found | {"latency_probes": len(features), "latency_load_average": round(os.getloadavg()[0], 1)}
