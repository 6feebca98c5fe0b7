"""A circuit breaker: lets calls through to what may fail, or keeps them away until it is likely to work again.

    closed ── slow or failing for too long, a resource short, a dependency down ──► open
    open ── cooled down ──► half-open
    half-open ── the probes succeed ──► closed        half-open ── they do not ──► open

It is a state machine without threads or timers: it moves when it is asked or told something, by the clock that it is given.
A clock that steps back stands still here; one that jumps ahead ends a cool-down early, and probes decide then.
Safe to share between threads.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from threading import RLock
from typing import NamedTuple


class State(Enum):
    """What becomes of calls: all go through, none does, a few do."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class Limits:
    """When a breaker opens, and how it closes again. Times in seconds, shares of 1.

    Attributes:
        slow_s: a call that takes longer is slow. With `usual` it is what is usual at this hour, twice, if that is more.
        slow_share: more slow calls than that are too many: 0.01 says that the 99th percentile is above `slow_s`.
        slow_for_s: so long they have to be too many.
        failed_share: more failed calls than that are too many.
        failing_for_s: so long they have to be too many.
        in_a_row: so many failures without a success between them open it at once.
        levels: how full a resource may be, by its name.
        level_for_s: so long it has to be fuller.
        cool_down_s: how long it stays open.
        probe_share: the part of the calls that go through while it is half-open.
        probes: so many of them decide.
        sound_share: more of them than that have to succeed, and not be slow.
        slot_s: calls are judged together that came within so long,
        least_calls: and are so many at least.
    """

    slow_s: float = 0.5
    slow_share: float = 0.01
    slow_for_s: float = 60.0
    failed_share: float = 0.15
    failing_for_s: float = 300.0
    in_a_row: int = 3
    levels: Mapping[str, float] = field(default_factory=lambda: {"cpu": 0.9, "gpu_memory": 0.85})
    level_for_s: float = 60.0
    cool_down_s: float = 300.0
    probe_share: float = 0.1
    probes: int = 20
    sound_share: float = 0.9
    slot_s: float = 10.0
    least_calls: int = 10


class Change(NamedTuple):
    """The breaker has moved: when by its clock, from and to what, and why as a clause."""

    at_s: float
    before: State
    after: State
    reason: str


@dataclass
class Slot:
    """Calls that are judged together."""

    since_s: float
    until_s: float = math.inf
    failed: int = 0
    slow: int = 0
    took_s: list[float] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How many there were."""
        return len(self.took_s)

    def percentile(self, share: float) -> float:
        """Return what so many of the calls took at most."""
        ordered = sorted(self.took_s)
        return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0


class Lasting:
    """Tells whether something has been so for long enough, without a break."""

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._since_s = self._until_s = math.inf

    def is_due(self, *, holds: bool, since_s: float, until_s: float) -> bool:
        """Take it that it held, or did not, in a time; one of which nobody spoke for so long is a break."""
        if not holds or since_s - self._until_s > self._for_s:
            self._since_s = math.inf
        if holds:
            self._since_s = min(self._since_s, since_s)
        self._until_s = until_s
        return until_s - self._since_s >= self._for_s


class Usual:
    """What is usual at an hour of the day: the 99th percentile of what calls took, learnt while they were let through.

    Each hour keeps a mean in which a slot of calls counts a `fade`th, so that it follows the season.
    """

    def __init__(self, hour: Callable[[], int], *, factor: float = 2.0, most: float = 4.0, fade: int = 200) -> None:
        """Begin with nothing known.

        Args:
            hour: tells the hour, 0 to 23.
            factor: so many times the usual is not slow yet.
            most: so many times the fixed limit is slow in any case.
            fade: slots that a mean remembers; an hour is known once it has a tenth of them.
        """
        self._hour, self._factor, self._most, self._fade = hour, factor, most, fade
        self._means = [0.0] * 24
        self._counts = [0] * 24

    def learn(self, took_s: float) -> None:
        """Take in what calls took just now."""
        hour = self._hour()
        self._counts[hour] += 1
        self._means[hour] += (took_s - self._means[hour]) / min(self._counts[hour], self._fade)

    def limit(self, fixed_s: float) -> float:
        """Return from when on a call is slow at this hour."""
        hour = self._hour()
        known = self._means[hour] if self._counts[hour] >= self._fade / 10 else 0.0
        return min(max(fixed_s, self._factor * known), self._most * fixed_s)


class Permit:
    """A call may go through. Say how it ended; what is said twice, or after the breaker has moved, is not heard."""

    def __init__(self, ended: Callable[["Permit", bool], None], began_s: float, epoch: int) -> None:
        self._ended: Callable[[Permit, bool], None] | None = ended
        self.began_s = began_s
        self.epoch = epoch

    def succeeded(self) -> None:
        """The call did what it should."""
        self._end(ok=True)

    def failed(self) -> None:
        """The call did not; one whose question was wrong, not its answer, has not failed."""
        self._end(ok=False)

    def _end(self, *, ok: bool) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self, ok)


class Breaker:
    """The breaker of one thing that is called. It begins closed."""

    def __init__(
        self,
        limits: Limits = Limits(),
        *,
        clock: Callable[[], float] = time.monotonic,
        usual: Usual | None = None,
        changed: Callable[[Change], None] = lambda change: None,
    ) -> None:
        """Take the limits, the clock, what is usual if that is learnt, and what is told of every change."""
        self._limits, self._clock, self._usual, self._changed = limits, clock, usual, changed
        self._lock = RLock()
        self._now_s = clock()
        self._state, self._reason, self._epoch, self._opened = State.CLOSED, "", 0, 0
        self._since_s = self._now_s
        self._slot, self._in_a_row = Slot(self._now_s), 0
        self._reset()

    @property
    def state(self) -> State:
        """The state as it stands; a breaker whose cool-down is over is open until it is asked."""
        return self._state

    @property
    def reason(self) -> str:
        """Why it opened last; empty while it is closed."""
        return self._reason

    @property
    def opened(self) -> int:
        """How often it has opened."""
        return self._opened

    def ask(self) -> Permit | None:
        """Return a permit for one call, or None if it must not be made."""
        with self._lock:
            now = self._now()
            if self._state is State.OPEN and now - self._since_s >= self._limits.cool_down_s:
                self._move(State.HALF_OPEN, self._reason)
            if self._state is State.HALF_OPEN and not self._may_probe(now):
                return None
            return None if self._state is State.OPEN else Permit(self._end, now, self._epoch)

    def trip(self, reason: str) -> None:
        """Open it, such as for a dependency that is known to be down; if it is open the cool-down begins anew."""
        with self._lock:
            self._now()
            self._open(reason)

    def level(self, resource: str, share: float) -> None:
        """Take it that a resource is so full now: `cpu` and `gpu_memory` are known.

        Raises:
            KeyError: there is no limit for it.
        """
        with self._lock:
            limit, now = self._limits.levels[resource], self._now()
            is_due = self._full[resource].is_due(holds=share > limit, since_s=now, until_s=now)
            if is_due and self._state is State.CLOSED:
                self._open(f"{resource} is above {limit:.0%} for {self._limits.level_for_s:.0f} s")

    def _may_probe(self, now: float) -> bool:
        """Tell whether the next call is a probe; of n calls at most the share of them is."""
        self._asked += 1
        if self._probes >= self._limits.probes:
            if now - self._since_s >= self._limits.cool_down_s:
                self._open("probes have not come back")
            return False
        if self._probes + 1 > self._limits.probe_share * self._asked:
            return False
        self._probes += 1
        return True

    def _end(self, permit: Permit, ok: bool) -> None:
        with self._lock:
            now = self._now()
            if permit.epoch != self._epoch:
                return
            took_s = max(now - permit.began_s, 0.0)
            is_slow = took_s > self._slow_s()
            if self._state is State.HALF_OPEN:
                self._probed(ok=ok and not is_slow)
            else:
                self._called(now, took_s, ok=ok, is_slow=is_slow)

    def _probed(self, *, ok: bool) -> None:
        limits = self._limits
        self._sound += ok
        self._unsound += not ok
        if limits.probes - self._unsound <= limits.sound_share * limits.probes:
            self._open(f"{self._unsound} of {self._sound + self._unsound} probes failed or were slow")
        elif self._sound + self._unsound == limits.probes:
            self._move(State.CLOSED, "")

    def _called(self, now: float, took_s: float, *, ok: bool, is_slow: bool) -> None:
        limits = self._limits
        if now - self._slot.until_s > limits.slow_for_s:
            self._slot = Slot(now - took_s)  # nobody called for long: what was before says nothing of now
        slot = self._slot
        slot.until_s = now
        self._in_a_row = 0 if ok else self._in_a_row + 1
        slot.failed, slot.slow = slot.failed + (not ok), slot.slow + is_slow
        slot.took_s.append(took_s)
        if self._in_a_row >= limits.in_a_row:
            self._open(f"{self._in_a_row} calls in a row failed")
        elif now - slot.since_s >= limits.slot_s and slot.calls >= limits.least_calls:
            self._judge(slot, now)

    def _judge(self, slot: Slot, now: float) -> None:
        limits, calls = self._limits, slot.calls
        is_failing, is_slow = slot.failed > limits.failed_share * calls, slot.slow > limits.slow_share * calls
        self._slot = Slot(now)
        if self._failing.is_due(holds=is_failing, since_s=slot.since_s, until_s=now):
            self._open(f"more than {limits.failed_share:.0%} of calls failed for {limits.failing_for_s:.0f} s")
        elif self._slow.is_due(holds=is_slow, since_s=slot.since_s, until_s=now):
            self._open(f"more than {limits.slow_share:.0%} of calls were slow for {limits.slow_for_s:.0f} s")
        elif self._usual and not is_failing:
            self._usual.learn(slot.percentile(1 - limits.slow_share))

    def _slow_s(self) -> float:
        return self._usual.limit(self._limits.slow_s) if self._usual else self._limits.slow_s

    def _open(self, reason: str) -> None:
        self._opened += self._state is not State.OPEN
        self._move(State.OPEN, reason)

    def _move(self, state: State, reason: str) -> None:
        before, self._state, self._reason = self._state, state, reason
        self._since_s, self._epoch = self._now_s, self._epoch + 1
        self._reset()
        self._changed(Change(self._now_s, before, state, reason))

    def _reset(self) -> None:
        """Forget what calls and resources were like before."""
        limits = self._limits
        self._slot, self._in_a_row = Slot(self._now_s), 0
        self._asked = self._probes = self._sound = self._unsound = 0
        self._slow, self._failing = Lasting(limits.slow_for_s), Lasting(limits.failing_for_s)
        self._full = {name: Lasting(limits.level_for_s) for name in limits.levels}

    def _now(self) -> float:
        self._now_s = max(self._now_s, self._clock())
        return self._now_s
