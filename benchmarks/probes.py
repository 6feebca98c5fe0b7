"""Looks for effects in Redis and tells how long each took to be there.

A process of its own polls for what is outstanding, in one round trip, so that it competes with no producer.
"""

import multiprocessing as mp
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import redis

from freshet.errors import FreshetError
from freshet.udfs.read_features import value_of

POLL_S = 0.004  # what is measured is too long by half of this
LATEST_S = 30.0
HEAD_BYTES = 64  # of a list its beginning tells the version

Answer = Sequence[bytes | None]


@dataclass(frozen=True)
class Probe:
    """An effect to look for: where it shows, what tells that it is there, and the instant that its delay counts from."""

    kind: str
    key: bytes
    fields: tuple[bytes, ...]
    """Of the hash at the key; none: the key holds text, and its head is looked at."""
    sign: Callable[[Answer], bool]
    since: float
    """As `time.monotonic` has it; nobody looks before."""


@dataclass(frozen=True)
class Seen:
    """Seconds that a probe's effect took; None for what never came."""

    kind: str
    seconds: float | None


@dataclass(frozen=True)
class CountsTo:
    """The version, of a view's field or at the beginning of a list, holds so many events or more.

    >>> CountsTo(7)([b'{"version":"1700000000000-7","placement":"home"']), CountsTo(8)([b"1700000000000-7"])
    (True, False)
    """

    count: int

    def __call__(self, answer: Answer) -> bool:
        """Look at the version."""
        return count_in(answer[0]) >= self.count


@dataclass(frozen=True)
class Reaches:
    """A feature has a value of so much or more.

    >>> Reaches(7)([bytes.fromhex("2007")]), Reaches(8)([bytes.fromhex("2007")]), Reaches(0)([None])
    (True, False, False)
    """

    value: float

    def __call__(self, answer: Answer) -> bool:
        """Look at the feature."""
        found = value_of(answer[0])
        return isinstance(found, int | float) and found >= self.value


@dataclass(frozen=True)
class IsEmptyAt:
    """A view has been evaluated at an instant, in milliseconds since 1970, or later, and its count is 0.

    >>> IsEmptyAt(1000)([b"1000-3", bytes.fromhex("2000")]), IsEmptyAt(1001)([b"1000-3", bytes.fromhex("2000")])
    (True, False)
    """

    instant_ms: int

    def __call__(self, answer: Answer) -> bool:
        """Look at the version and the count."""
        version, value = answer
        return version is not None and int(version.split(b"-")[0]) >= self.instant_ms and value_of(value) == 0


def count_in(answer: bytes | None) -> int:
    """Return the number of events in a version, of a view's field or at the beginning of a list.

    >>> count_in(b"1700000000000-12"), count_in(b'{"version":"1700000000000-7","placement":"home"'), count_in(None)
    (12, 7, 0)
    """
    if not answer:
        return 0
    version = answer.split(b'"')[3] if answer.startswith(b"{") else answer
    return int(version.rsplit(b"-", 1)[1])


class Watcher:
    """The probes that are outstanding, and what was seen of the others."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client
        self._outstanding: list[Probe] = []
        self.seen: list[Seen] = []

    def __len__(self) -> int:
        return len(self._outstanding)

    def expect(self, probe: Probe) -> None:
        """Begin to look for an effect, not before its time."""
        self._outstanding.append(probe)

    def look(self) -> None:
        """Ask for everything whose time has come, in one round trip."""
        now = time.monotonic()
        due = [probe for probe in self._outstanding if probe.since <= now]
        if not due:
            return
        with self._redis.pipeline(transaction=False) as pipe:
            for probe in due:
                if probe.fields:
                    pipe.hmget(probe.key, probe.fields)
                else:
                    pipe.getrange(probe.key, 0, HEAD_BYTES - 1)
            answers = pipe.execute()
        self._note(due, answers, time.monotonic())

    def _note(self, due: list[Probe], answers: list[bytes | list[bytes | None]], now: float) -> None:
        there = set[int]()
        for probe, answer in zip(due, answers, strict=True):
            if probe.sign(answer if isinstance(answer, list) else [answer]):
                self.seen.append(Seen(probe.kind, now - probe.since))
            elif probe.since < now - LATEST_S:
                self.seen.append(Seen(probe.kind, None))
            else:
                continue
            there.add(id(probe))
        if there:
            self._outstanding = [probe for probe in self._outstanding if id(probe) not in there]


def watch(inbox: Connection, outbox: Connection, url: str) -> None:
    """Look for every probe that comes in; send what was seen when the end comes in and none is outstanding."""
    watcher, is_open = Watcher(redis.Redis.from_url(url)), True
    while is_open or len(watcher):
        while is_open and inbox.poll(0 if len(watcher) else 0.05):
            probe = inbox.recv()
            if probe is None:
                is_open = False
            else:
                watcher.expect(probe)
        watcher.look()
        time.sleep(POLL_S)
    outbox.send(watcher.seen)


class Lookout:
    """The process that watches; it starts at once, and ends with `end`."""

    def __init__(self, url: str) -> None:
        context = mp.get_context("spawn")
        inbox, self._to_watcher = context.Pipe(duplex=False)
        self._from_watcher, outbox = context.Pipe(duplex=False)
        self._process = context.Process(target=watch, args=(inbox, outbox, url), daemon=True)
        self._process.start()

    def expect(self, probe: Probe) -> None:
        """Have it look for an effect."""
        self._to_watcher.send(probe)

    def end(self) -> list[Seen]:
        """Wait for what is outstanding, and return what was seen.

        Raises:
            FreshetError: the process has not answered.
        """
        self._to_watcher.send(None)
        if not self._from_watcher.poll(2 * LATEST_S):
            raise FreshetError("The process that watches Redis has not answered.")
        seen: list[Seen] = self._from_watcher.recv()
        self._process.join(timeout=10)
        return seen


def seconds_of(seen: Sequence[Seen], kind: str) -> list[float]:
    """Return what the effects of a kind took, without those that never came."""
    return [one.seconds for one in seen if one.kind == kind and one.seconds is not None]


def lost(seen: Sequence[Seen], kind: str) -> int:
    """Return how many effects of a kind never came."""
    return sum(one.kind == kind and one.seconds is None for one in seen)


def all_of(seen: Sequence[Seen], kind: str) -> list[float]:
    """Return what the effects of a kind took.

    Raises:
        FreshetError: one of them never came, or there were none.
    """
    found = seconds_of(seen, kind)
    if lost(seen, kind) or not found:
        raise FreshetError(f"{lost(seen, kind)} of {len(seen)} probes: {kind} did not come within {LATEST_S:.0f} s.")
    return found


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the maximum in milliseconds.

    >>> percentiles([0.001, 0.003])
    {'p50': 2.0, 'p95': 2.9, 'p99': 3.0, 'max': 3.0}
    """
    points = np.percentile(np.array(seconds) * 1000, [50, 95, 99, 100])
    return dict(zip(("p50", "p95", "p99", "max"), (round(float(point), 1) for point in points), strict=True))
