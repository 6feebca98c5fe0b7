"""How long after an event is produced its features, and the list that they lead to, can be read from Redis.

The front door is the raw topic `interactions`; ingest, features and scoring run, with checkpoints. The load is open-loop: each
event has its time, whatever the jobs do. One event in ten is a probe: its user has several events already and one event
outstanding at most, so the number that its features must count up to is known. A process of its own polls for that.
"""

import multiprocessing as mp
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import redis
from harness import Bench, fill
from load import send
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

RATE = 500.0
PROBE_EVERY = 10
PROBES = 1_000  # users that are probed in turn: at 50 probes a second, each every 20 s
BACKGROUND_USERS = 20_000
WARM_UP_S = 90.0  # the Python workers import for ten seconds, and Java compiles what runs often
POLL_S = 0.004  # what is measured is too long by half of this
LATEST_S = 30.0
LINGER_MS = 4  # as a front end that sends hundreds of events a second has it; part of what is measured
READY_S = 180.0
FIRST_USER = "first"
JOBS = ("ingest", "features", "scoring")


@dataclass(frozen=True)
class Probe:
    """An event to look for: where its effect shows, from which count on, and when it was produced."""

    feature_key: bytes
    list_key: str
    count: int
    produced: float


@dataclass(frozen=True)
class Seen:
    """Seconds from producing an event to its features and to its list; None for what never came."""

    produced: float
    feature_s: float | None
    list_s: float | None


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the maximum in milliseconds."""
    points = np.percentile(np.array(seconds) * 1000, [50, 95, 99, 100])
    return dict(zip(("p50", "p95", "p99", "max"), (round(float(point), 1) for point in points), strict=True))


class Watcher:
    """Polls Redis for the outstanding probes; runs in a process of its own, so that it competes with no producer."""

    def __init__(self, url: str, view: str, with_lists: bool) -> None:
        self._redis = redis.Redis.from_url(url)
        self._version = version_field(view)
        self._with_lists = with_lists
        self._features: list[Probe] = []
        self._lists: list[Probe] = []
        self.feature_at: dict[Probe, float] = {}
        self.list_at: dict[Probe, float] = {}

    @property
    def outstanding(self) -> int:
        """How many effects have not been seen."""
        return len(self._features) + len(self._lists)

    def expect(self, probe: Probe) -> None:
        """Begin to look for an event."""
        self._features.append(probe)
        if self._with_lists:
            self._lists.append(probe)

    def look(self) -> None:
        """Ask for everything that is outstanding, in one round trip."""
        with self._redis.pipeline(transaction=False) as pipe:
            for probe in self._features:
                pipe.hget(probe.feature_key, self._version)
            for probe in self._lists:
                pipe.getrange(probe.list_key, 0, 63)
            answers = pipe.execute()
        now, split = time.monotonic(), len(self._features)
        self._features = self._note(self._features, answers[:split], self.feature_at, now)
        self._lists = self._note(self._lists, answers[split:], self.list_at, now)

    def give_up(self) -> list[Probe]:
        """Return the probes that were produced too long ago, and look for them no more."""
        old = time.monotonic() - LATEST_S
        late = [probe for probe in (*self._features, *self._lists) if probe.produced < old]
        self._features = [probe for probe in self._features if probe.produced >= old]
        self._lists = [probe for probe in self._lists if probe.produced >= old]
        return late

    @staticmethod
    def _note(probes: list[Probe], answers: list[bytes | None], at: dict[Probe, float], now: float) -> list[Probe]:
        missing = []
        for probe, answer in zip(probes, answers, strict=True):
            if count_in(answer) >= probe.count:
                at[probe] = now
            else:
                missing.append(probe)
        return missing


def count_in(answer: bytes | None) -> int:
    """Return the number of events in a version, of a view's field or at the beginning of a list.

    >>> count_in(b"1700000000000-12"), count_in(b'{"version":"1700000000000-7","placement":"home"'), count_in(None)
    (12, 7, 0)
    """
    if not answer:
        return 0
    version = answer.split(b'"')[3] if answer.startswith(b"{") else answer
    return int(version.rsplit(b"-", 1)[1])


def watch(inbox: Connection, outbox: Connection, url: str, view: str, with_lists: bool) -> None:
    """Look for every probe that comes in; send what was seen of all of them when the end comes in and none is outstanding."""
    watcher, probes, open_ = Watcher(url, view, with_lists), list[Probe](), True
    while open_ or watcher.outstanding:
        while open_ and inbox.poll(0 if watcher.outstanding else 0.05):
            probe = inbox.recv()
            if probe is None:
                open_ = False
            else:
                probes.append(probe)
                watcher.expect(probe)
        if watcher.outstanding:
            watcher.look()
            watcher.give_up()
        time.sleep(POLL_S)
    outbox.send([_seen(watcher, probe) for probe in probes])


def _seen(watcher: Watcher, probe: Probe) -> Seen:
    feature_at, list_at = watcher.feature_at.get(probe), watcher.list_at.get(probe)
    return Seen(
        probe.produced,
        None if feature_at is None else feature_at - probe.produced,
        None if list_at is None else list_at - probe.produced,
    )


class Load:
    """The events of the run, each made when it is due; those of probe users are told to the watcher first."""

    def __init__(self, bench: Bench, items: list[str], to_watcher: Connection, seed: int = 7) -> None:
        self._settings = bench.settings
        self._key = load_key(bench.settings.privacy.pseudonym_key_file)
        self._key_of = EntityKeys(bench.settings.redis.project, ("subject",))
        self._items = items
        self._to_watcher = to_watcher
        self._rng = np.random.default_rng(seed)
        self._counts: dict[str, int] = {}
        self._run = f"latency-{time.time_ns()}"

    def first(self) -> Iterator[Record]:
        """Yield one event, to see when the jobs' Python workers are there."""
        yield self._record("first", FIRST_USER)

    def first_key(self, with_lists: bool) -> bytes:
        """Return the key in which the effect of the first event shows."""
        subject = subject_of(FIRST_USER, self._key)
        return self._list_key(subject).encode() if with_lists else self._key_of((subject,))

    def paced(self, seconds: float) -> Iterator[Record]:
        """Yield events when they are due: the pace counts from the beginning, so one that is late delays no other."""
        for number in Pace(rate=RATE)({"number": number} for number in range(int(seconds * RATE))):
            yield self._event(number["number"])

    def _event(self, number: int) -> Record:
        probed = number % PROBE_EVERY == 0
        watched = probed and number >= WARM_UP_S * RATE
        user = f"probe-{number // PROBE_EVERY % PROBES}" if probed else f"user-{self._rng.integers(BACKGROUND_USERS)}"
        if probed:
            self._counts[user] = self._counts.get(user, 0) + 1
        if watched:
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

    def _list_key(self, subject: str) -> str:
        return TopN(self._settings.lists.placement, subject).encode()

    def _announce(self, user: str) -> None:
        subject = subject_of(user, self._key)
        probe = Probe(self._key_of((subject,)), self._list_key(subject), self._counts[user], time.monotonic())
        self._to_watcher.send(probe)


def measure(bench: Bench, view: str, seconds: float) -> tuple[list[Seen], bool]:
    """Run the jobs and the load, and return what was seen of the probes after the warm-up, and whether lists were.

    Raises:
        FreshetError: a job does not run, or a probe's features never came.
    """
    bench.redis().flushall()
    fill(bench.settings, CATALOG, journey.catalogue(), "item_id")
    jobs = start_jobs(bench)
    try:
        with_lists = "freshet-scoring" in [job.name for job in jobs]
        return _complete(_drive(bench, view, with_lists, WARM_UP_S + seconds)), with_lists
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


def _drive(bench: Bench, view: str, with_lists: bool, seconds: float) -> list[Seen]:
    context = mp.get_context("spawn")
    inbox, to_watcher = context.Pipe(duplex=False)
    from_watcher, outbox = context.Pipe(duplex=False)
    url = bench.settings.redis.url.get_secret_value()
    watcher = context.Process(target=watch, args=(inbox, outbox, url, view, with_lists), daemon=True)
    watcher.start()
    load = Load(bench, items_of_the_model(), to_watcher)
    send(bench.settings, INTERACTIONS, load.first(), linger_ms=LINGER_MS)
    _wait_for(bench, load.first_key(with_lists))
    send(bench.settings, INTERACTIONS, load.paced(seconds), linger_ms=LINGER_MS)
    to_watcher.send(None)
    if not from_watcher.poll(LATEST_S + 10):
        raise FreshetError("The process that watches Redis has not answered.")
    seen: list[Seen] = from_watcher.recv()
    watcher.join(timeout=10)
    return seen


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


def _complete(seen: list[Seen]) -> list[Seen]:
    lost = sum(one.feature_s is None for one in seen)
    if lost:
        raise FreshetError(f"The features of {lost} of {len(seen)} probes did not come within {LATEST_S:.0f} s.")
    return seen


def figures(bench: Bench, view: str, seconds: float) -> dict[str, float]:
    """Run the benchmark and return its figures."""
    seen, with_lists = measure(bench, view, seconds)
    found = {
        f"event_to_feature_{name}_ms": value
        for name, value in percentiles([one.feature_s or 0.0 for one in seen]).items()
    }
    if with_lists:
        came = [one.list_s for one in seen if one.list_s is not None]
        found |= {"event_to_list_lost": len(seen) - len(came)}
        found |= {f"event_to_list_{name}_ms": value for name, value in percentiles(came).items()}
    return found | {"latency_probes": len(seen), "latency_load_average": round(os.getloadavg()[0], 1)}
