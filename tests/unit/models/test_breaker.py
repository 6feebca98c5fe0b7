"""The breaker: no call leaks while it is open, probes keep to their share, and it opens when it should and not before."""

import random
import threading
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from freshet.models.breaker import Breaker, Change, Limits, Permit, State, Usual

ALLOWED = {
    (State.CLOSED, State.OPEN),
    (State.OPEN, State.OPEN),
    (State.OPEN, State.HALF_OPEN),
    (State.HALF_OPEN, State.OPEN),
    (State.HALF_OPEN, State.CLOSED),
}
SMALL = Limits(
    slow_s=0.5,
    slow_for_s=3.0,
    failing_for_s=5.0,
    levels={"cpu": 0.9},
    level_for_s=2.0,
    cool_down_s=10.0,
    probe_share=0.25,
    probes=4,
    sound_share=0.6,
    slot_s=1.0,
    least_calls=2,
)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A breaker, and what may be said of it from what it was asked and told."""

    def __init__(self) -> None:
        self.clock, self.changes = Clock(), list[Change]()
        self.latest = self.clock.now  # the time that has been reached; a step back does not undo it
        self.breaker = Breaker(SMALL, clock=self.clock, changed=self._moved)
        self.permits: list[tuple[Permit, int]] = []
        self.epoch = self.asked = self.admitted = self.sound = self.answered = 0

    def _moved(self, change: Change) -> None:
        before = self.changes[-1].after if self.changes else State.CLOSED
        assert change.before is before
        assert (change.before, change.after) in ALLOWED
        assert (change.reason == "") == (change.after is State.CLOSED)
        if change.after is State.CLOSED:
            assert self.answered == SMALL.probes
            assert self.sound > SMALL.sound_share * SMALL.probes
        if change.after is State.HALF_OPEN:
            assert self.latest - self.changes[-1].at_s >= SMALL.cool_down_s
        self.changes.append(change)
        self.epoch += 1
        self.asked = self.admitted = self.sound = self.answered = 0

    def ask(self) -> None:
        self.latest = max(self.latest, self.clock.now)
        opened_at = self.changes[-1].at_s if self.breaker.state is State.OPEN else None
        was_half_open = self.breaker.state is State.HALF_OPEN
        permit = self.breaker.ask()
        if opened_at is not None and self.latest - opened_at < SMALL.cool_down_s:
            assert permit is None, "a call leaked"
        if self.breaker.state is State.CLOSED:
            assert permit is not None
        if self.breaker.state is State.HALF_OPEN:
            self.asked += 1
            self.admitted += permit is not None
            assert self.admitted <= SMALL.probe_share * self.asked
            assert self.admitted <= SMALL.probes
        elif was_half_open:
            assert permit is None
        if permit is not None:
            self.permits.append((permit, self.epoch))

    def end(self, which: int, *, ok: bool) -> None:
        self.latest = max(self.latest, self.clock.now)
        permit, epoch = self.permits.pop(which % len(self.permits))
        moves, is_current = len(self.changes), epoch == self.epoch
        if is_current and self.breaker.state is State.HALF_OPEN:
            self.answered += 1
            self.sound += ok and self.latest - permit.began_s <= SMALL.slow_s
        permit.succeeded() if ok else permit.failed()
        assert is_current or len(self.changes) == moves, "an old answer was heard"
        permit.failed()  # said twice


class AnyCalls(RuleBasedStateMachine):
    """Asks, ends calls, moves the clock either way, and tells of resources and dependencies, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = Watched()

    @rule(times=st.integers(1, 8))
    def ask(self, times: int) -> None:
        for _ in range(times):
            self.watched.ask()

    @precondition(lambda self: self.watched.permits)
    @rule(which=st.integers(0, 50), ok=st.booleans())
    def end(self, which: int, ok: bool) -> None:
        self.watched.end(which, ok=ok)

    @rule(by=st.sampled_from([0.1, 0.4, 0.6, 1.0, 5.0, 10.0, 60.0]))
    def time_passes(self, by: float) -> None:
        self.watched.clock.now += by

    @rule(by=st.sampled_from([0.5, 20.0, 10_000.0]))
    def the_clock_steps_back(self, by: float) -> None:
        self.watched.clock.now -= by

    @rule(share=st.sampled_from([0.2, 0.95]))
    def the_processor_is_so_full(self, share: float) -> None:
        self.watched.latest = max(self.watched.latest, self.watched.clock.now)
        self.watched.breaker.level("cpu", share)

    @rule()
    def a_dependency_is_down(self) -> None:
        self.watched.latest = max(self.watched.latest, self.watched.clock.now)
        self.watched.breaker.trip("the store is down")

    @invariant()
    def the_state_is_that_of_the_last_change(self) -> None:
        last = self.watched.changes[-1].after if self.watched.changes else State.CLOSED
        assert self.watched.breaker.state is last


TestAnyCalls = AnyCalls.TestCase
TestAnyCalls.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)


def test_ten_thousand_random_sequences_keep_every_promise() -> None:
    met = set[tuple[State, State]]()
    for seed in range(10_000):
        chance, watched = random.Random(seed), Watched()
        sound = chance.choice([0.2, 0.9, 1.0])
        for _ in range(60):
            step = chance.random()
            if step < 0.5:
                watched.ask()
            elif step < 0.8 and watched.permits:
                watched.end(chance.randrange(50), ok=chance.random() < sound)
            elif step < 0.97:
                watched.clock.now += chance.choice([0.0, 0.1, 0.3, 1.0, 11.0])
            elif step < 0.99:
                watched.clock.now -= chance.choice([1.0, 5_000.0])
            else:
                watched.breaker.trip("down")
        met |= {(change.before, change.after) for change in watched.changes}
    assert met == ALLOWED, "every way from state to state was gone"


# ---- When it opens ------------------------------------------------------------------------------------------------------


class Traffic:
    """Calls at an even rate, by the limits that a breaker has unless told otherwise."""

    def __init__(self, usual: Usual | None = None) -> None:
        self.clock, self.changes = Clock(), list[Change]()
        self.breaker = Breaker(clock=self.clock, usual=usual, changed=self.changes.append)
        self._count = 0

    def flow(self, for_s: float, *, took_s: float = 0.01, a_second: int = 20, **one_in: int) -> None:
        """Make calls, `slow` and `failed` of which are one in so many; those that are not let through are left out."""
        for _ in range(int(for_s * a_second)):
            self._count += 1
            permit = self.breaker.ask()
            is_slow = self._count % one_in.get("slow", 1 << 30) == 0
            begun = self.clock.now
            self.clock.now += 0.6 if is_slow else took_s
            if permit:
                permit.failed() if self._count % one_in.get("failed", 1 << 30) == 0 else permit.succeeded()
            self.clock.now = max(begun + 1 / a_second, self.clock.now if is_slow else 0.0)


def test_it_opens_when_the_99th_percentile_is_above_half_a_second_for_a_minute() -> None:
    traffic = Traffic()
    traffic.flow(45, slow=50)
    assert traffic.breaker.state is State.CLOSED
    traffic.flow(60, slow=50)
    assert [change.after for change in traffic.changes] == [State.OPEN]
    assert "slow for 60 s" in traffic.breaker.reason


def test_fewer_slow_calls_or_a_pause_among_them_do_not_open_it() -> None:
    traffic = Traffic()
    traffic.flow(300, slow=150)
    for _ in range(5):
        traffic.flow(30, slow=50)
        traffic.flow(25)
    assert not traffic.changes


def test_it_opens_when_more_than_fifteen_percent_fail_for_five_minutes() -> None:
    traffic = Traffic()
    traffic.flow(290, failed=6)
    assert traffic.breaker.state is State.CLOSED
    traffic.flow(30, failed=6)
    assert "15% of calls failed for 300 s" in traffic.breaker.reason
    few = Traffic()
    few.flow(900, failed=7)
    assert not few.changes


def test_slow_calls_of_long_ago_do_not_count() -> None:
    traffic = Traffic()
    traffic.flow(30, slow=20)
    traffic.clock.now += 3_600
    traffic.flow(15, slow=20)
    assert not traffic.changes


def test_some_failures_in_a_row_open_it_at_once_and_one_success_among_them_does_not() -> None:
    traffic = Traffic()
    traffic.flow(1, failed=2)
    assert not traffic.changes
    traffic.flow(0.2, failed=1)
    assert traffic.breaker.reason == "3 calls in a row failed"


@pytest.mark.parametrize(("resource", "limit"), [("cpu", 0.9), ("gpu_memory", 0.85)])
def test_it_opens_when_a_resource_is_short_for_a_minute(resource: str, limit: float) -> None:
    traffic = Traffic()
    for share in [limit + 0.01] * 5 + [limit] + [limit + 0.01] * 7:
        assert not traffic.changes
        traffic.breaker.level(resource, share)
        traffic.clock.now += 10
    assert traffic.breaker.state is State.OPEN


def test_a_resource_without_a_limit_is_an_error() -> None:
    with pytest.raises(KeyError):
        Breaker().level("disk", 0.5)


def test_what_is_usual_at_an_hour_is_not_slow() -> None:
    hour = [20]
    usual = Usual(lambda: hour[0])
    traffic = Traffic(usual=usual)
    traffic.flow(400, took_s=0.4, a_second=2)
    traffic.flow(120, took_s=0.7, a_second=1)
    assert not traffic.changes, "twice the usual is 0.8 s"
    hour[0] = 4
    traffic.flow(120, took_s=0.7, a_second=1)
    assert traffic.breaker.state is State.OPEN, "at another hour it is slow"


def test_what_is_usual_does_not_make_everything_fast() -> None:
    usual = Usual(lambda: 0)
    for _ in range(1_000):
        usual.learn(60.0)
    assert usual.limit(0.5) == 2.0


# ---- How it closes ------------------------------------------------------------------------------------------------------


def opened() -> Traffic:
    traffic = Traffic()
    traffic.breaker.trip("down")
    return traffic


def test_while_it_is_open_no_call_goes_through_and_then_one_in_ten_does() -> None:
    traffic = opened()
    traffic.clock.now += 299.9
    assert traffic.breaker.ask() is None
    traffic.clock.now += 0.2
    permits = [traffic.breaker.ask() for _ in range(1_000)]
    assert [number for number, permit in enumerate(permits, start=1) if permit] == list(range(10, 201, 10))


@pytest.mark.parametrize(("failed", "state"), [(0, State.CLOSED), (1, State.CLOSED), (2, State.OPEN)])
def test_more_than_nine_in_ten_probes_have_to_succeed(failed: int, state: State) -> None:
    traffic = opened()
    traffic.clock.now += 301
    permits = [permit for _ in range(400) if (permit := traffic.breaker.ask())]
    for number, permit in enumerate(permits):
        permit.failed() if number < failed else permit.succeeded()
    assert traffic.breaker.state is state
    assert (traffic.breaker.reason == "") == (state is State.CLOSED)
    assert traffic.breaker.opened == 1 + (state is State.OPEN)


def test_probes_that_are_slow_are_no_success() -> None:
    traffic = opened()
    traffic.clock.now += 301
    permits = [permit for _ in range(400) if (permit := traffic.breaker.ask())]
    traffic.clock.now += 0.6
    for permit in permits:
        permit.succeeded()
    assert traffic.breaker.reason == "2 of 2 probes failed or were slow"


def test_probes_that_never_come_back_do_not_hold_it_for_ever() -> None:
    traffic = opened()
    traffic.clock.now += 301
    assert sum(traffic.breaker.ask() is not None for _ in range(500)) == 20
    traffic.clock.now += 301
    assert traffic.breaker.ask() is None
    assert traffic.breaker.reason == "probes have not come back"


def test_an_answer_from_before_it_opened_is_not_heard() -> None:
    traffic = Traffic()
    old = [traffic.breaker.ask() for _ in range(50)]
    traffic.breaker.trip("down")
    traffic.clock.now += 301
    probes = [permit for _ in range(400) if (permit := traffic.breaker.ask())]
    for permit in old:
        assert permit
        permit.failed()
    for permit in probes:
        permit.succeeded()
    assert traffic.breaker.state is State.CLOSED


def test_thirty_two_threads_together_keep_to_the_share() -> None:
    traffic = opened()
    traffic.clock.now += 301
    gate, admitted = threading.Barrier(32), list[Any]()

    def asks() -> None:
        gate.wait()
        admitted.extend(permit for _ in range(100) if (permit := traffic.breaker.ask()))

    threads = [threading.Thread(target=asks) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == Limits().probes
