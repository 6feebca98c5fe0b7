"""How fresh the features job alone keeps the store at 1,000 events a second: after an event, and after the end of a window.

The load goes straight to `interactions.clean`, open-loop, and the features job is the only one that runs, with checkpoints.

- Immediate: from producing an event to the count of its user's last day, which has grown by it, being readable.
- Windowed: the definitions have one more view, a count of six seconds by one. A user whose events all lie in a second that
  has left the window has a count of 0 from the instant on at which the next second begins; measured is from that instant,
  by the clock, to the 0 being readable. Hundreds of other users fall idle in each second, all of them at one instant.

Each probe's user has one effect outstanding at most, so the value to look for is known.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import Bench
from load import send
from probes import IsEmptyAt, Lookout, Probe, Reaches, Seen, all_of, count_in, percentiles
from shop_variants import PULSE_FEATURE, PULSE_SLIDE_MS, PULSE_VIEW, PULSE_WINDOW_MS, with_pulse
from workload import TYPES, clean_event, generate, subject

from freshet.definitions import apply_definitions
from freshet.errors import FreshetError
from freshet.replay.pace import Pace
from freshet.schemas.avro import Record
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.udfs.feast_layout import EntityKeys, field_name, version_field

RATE = 1_000.0
PROBE_EVERY = 20
PROBES = 500  # users that are probed in turn: at 50 probes a second, each every 10 s
FIRST_PROBE = 1_000_000  # the workload's own users have smaller numbers
FIRST_USER = FIRST_PROBE - 1
LINGER_MS = 4  # as a producer that sends hundreds of events a second has it; part of what is measured
READY_S = 180.0
VIEW, FEATURE = "user_activity", "user_events_count_24h"
IMMEDIATE, WINDOWED = "a new value", "the end of a window"

Figures = dict[str, float]


@dataclass(frozen=True)
class Event:
    """What a probe knows of its event: whose it is, which of the user's, and when it is produced."""

    user: int
    count: int
    time_ms: int


class Load:
    """Clean events, each made when it is due. Several loads in a row count on, since each job reads all of them."""

    def __init__(self, seed: int = 7) -> None:
        self._rng = np.random.default_rng(seed)
        self._number = 0
        self._counts: dict[int, int] = {}

    def one(self) -> Iterator[Record]:
        """Yield an event, to see when a job has come to it."""
        yield self._event(FIRST_USER, "view", 0, 0.0)

    def count(self, user: int) -> int:
        """Return how many events a user has had."""
        return self._counts.get(user, 0)

    def paced(self, warm_up_s: float, seconds: float, watch: Callable[[Event], None]) -> Iterator[Record]:
        """Yield events when they are due, and have the probes among those after the warm-up watched."""
        count, begin = int((warm_up_s + seconds) * RATE), int(warm_up_s * RATE)
        crowd, kinds = generate(count, 0), list(TYPES)
        users = self._rng.permutation(crowd.users)  # a session's events would stand side by side
        for number in Pace(rate=RATE)({"number": number} for number in range(count)):
            at = number["number"]
            probe = FIRST_PROBE + at // PROBE_EVERY % PROBES
            user = int(users[at]) if at % PROBE_EVERY else probe
            record = self._event(user, kinds[crowd.types[at]], int(crowd.items[at]), float(crowd.values[at]))
            if user == probe and at >= begin:
                watch(Event(user, self.count(user), record["event_time"]))
            yield record

    def _event(self, user: int, kind: str, item: int, value: float) -> Record:
        self._number += 1
        self._counts[user] = self.count(user) + 1
        return clean_event(self._number, user, item, kind, time.time_ns() // 1_000_000, value)


def over_ms(time_ms: int) -> int:
    """Return the instant at which an event leaves the pulse's window.

    >>> over_ms(10_999), over_ms(11_000)
    (16000, 17000)
    """
    return time_ms // PULSE_SLIDE_MS * PULSE_SLIDE_MS + PULSE_WINDOW_MS


class Probing:
    """Makes the probes of events."""

    def __init__(self, bench: Bench) -> None:
        self._key_of = EntityKeys(bench.settings.redis.project, ("subject",))

    def key(self, user: int) -> bytes:
        """Return the key of a user's features."""
        return self._key_of((subject(user),))

    def immediate(self, event: Event) -> Probe:
        """Look for the count that the event leads to."""
        field = field_name(VIEW, FEATURE)
        return Probe(IMMEDIATE, self.key(event.user), (field,), Reaches(event.count), time.monotonic())

    def windowed(self, event: Event) -> Probe:
        """Look for the empty count once the event has left the window."""
        over = over_ms(event.time_ms)
        fields = (version_field(PULSE_VIEW), field_name(PULSE_VIEW, PULSE_FEATURE))
        since = time.monotonic() + over / 1000 - time.time()
        return Probe(WINDOWED, self.key(event.user), fields, IsEmptyAt(over), since)


def figures(bench: Bench, folder: Path, warm_up_s: float, seconds: float) -> Figures:
    """Run both benchmarks, the second with more definitions, from `folder`, and return their figures.

    Raises:
        FreshetError: the job does not run, or an effect never came.
    """
    load, probing = Load(), Probing(bench)
    immediate = all_of(_drive(bench, load, probing, probing.immediate, warm_up_s, seconds), IMMEDIATE)
    average = os.getloadavg()[0]
    apply_definitions(bench.settings, with_pulse(folder))
    windowed = all_of(_drive(bench, load, probing, probing.windowed, warm_up_s, seconds), WINDOWED)
    found = {f"fresh_immediate_{name}_ms": value for name, value in percentiles(immediate).items()}
    found |= {f"fresh_windowed_{name}_ms": value for name, value in percentiles(windowed).items()}
    return found | {
        "fresh_events_per_s": RATE,
        "fresh_immediate_probes": len(immediate),
        "fresh_immediate_load_average": average,
        "fresh_windowed_probes": len(windowed),
        "fresh_windowed_load_average": os.getloadavg()[0],
    }


def _drive(
    bench: Bench, load: Load, probing: Probing, probe: Callable[[Event], Probe], warm_up_s: float, seconds: float
) -> list[Seen]:
    bench.redis().flushall()
    bench.wait_until_tasks_run(bench.cluster.submit("features"))
    try:
        send(bench.settings, INTERACTIONS_CLEAN, load.one(), linger_ms=LINGER_MS)
        _wait_for(bench, probing.key(FIRST_USER), load.count(FIRST_USER))
        lookout = Lookout(bench.settings.redis.url.get_secret_value())
        events = load.paced(warm_up_s, seconds, lambda event: lookout.expect(probe(event)))
        send(bench.settings, INTERACTIONS_CLEAN, events, linger_ms=LINGER_MS)
        return lookout.end()
    finally:
        bench.cancel_all()


def _wait_for(bench: Bench, key: bytes, count: int) -> None:
    client, deadline, name = bench.redis(), time.monotonic() + READY_S, version_field(VIEW)
    while count_in(client.hget(key, name)) < count:
        if time.monotonic() > deadline:
            raise FreshetError(f"The features job is not there after {READY_S:.0f} s; read {bench.stack.home.logs}.")
        time.sleep(0.1)
