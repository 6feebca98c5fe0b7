"""The feed: a snapshot of the whole topic first, every change after it once, and how old it may be, whatever fails."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import numpy as np
import pytest

from freshet.models.assortment import Assortment, Change, Difference, Item
from freshet.models.assortment_feed import AssortmentFeed
from freshet.models.vocabulary import Vocabulary

# The thread that follows the catalogue never ends by itself; here SystemExit ends it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")

VOCABULARY = Vocabulary(("a", "b"), (), np.zeros(3, np.int32))
NOON_S = 1_514_808_000.0
LOADED: list[list[Change]] = [[("a", Item(promotion="p", promotion_until=int(NOON_S * 1000) + 5_000))], [("x", Item())]]
OUT = ("a", Item(in_stock=False))


class Clock:
    now_s = NOON_S

    def __call__(self) -> float:
        return self.now_s


class Script:
    """Stands in for the topic's reader: it loads, and then does what it is told, poll by poll; then it ends the thread."""

    def __init__(self, clock: Clock, loads: Sequence[list[Change] | Exception], polls: Sequence[object]) -> None:
        self.clock = clock
        self.loads = loads
        self.polls = deque(polls)
        self.is_closed = False
        self.end = 0
        self.is_broker_silent = False

    def up_to_now(self) -> Iterator[list[Change]]:
        for one in self.loads:
            if isinstance(one, Exception):
                raise one
            yield one

    def newer(self) -> list[Change]:
        if not self.polls:
            raise SystemExit
        told = self.polls.popleft()
        if isinstance(told, Exception):
            raise told
        if isinstance(told, float):
            self.clock.now_s += told
            return []
        return told  # type: ignore[return-value]

    def ends(self) -> int:
        if self.is_broker_silent:
            raise TimeoutError("no answer")
        return self.end

    def has_read_to(self, ends: int) -> bool:
        return ends <= 0

    def close(self) -> None:
        self.is_closed = True


class Told:
    def __init__(self) -> None:
        self.news: list[tuple[Assortment, list[Difference]]] = []

    def __call__(self, assortment: Assortment, found: Sequence[Difference]) -> None:
        self.news.append((assortment, list(found)))

    @property
    def differences(self) -> list[Difference]:
        return [one for _, found in self.news for one in found]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr("freshet.models.assortment_feed.FAILURE_PAUSE_S", 0.0)
    return Told()


def followed(clock: Clock, told: Callable[..., None], *readers: Script | Exception) -> AssortmentFeed:
    """Run a feed over readers, one after the other as they are opened, to the end of the last."""
    waiting = deque(readers)

    def opened() -> Script:
        one = waiting.popleft()
        if isinstance(one, Exception):
            raise one
        return one

    feed = AssortmentFeed(opened, VOCABULARY, told, now_s=clock)
    with pytest.raises(SystemExit):
        feed._run()
    return feed


def test_the_first_snapshot_is_the_whole_topic(clock: Clock, told: Told) -> None:
    followed(clock, told, Script(clock, [*LOADED, [OUT]], []))
    ((first, found),) = told.news
    assert (first.in_stock.tolist(), found) == ([False, False, True, True], [Difference(1, "out")])


def test_each_change_is_told_once_with_the_snapshot_that_holds_it(clock: Clock, told: Told) -> None:
    feed = followed(clock, told, Script(clock, LOADED, [[], [OUT], [], [("b", None)]]))
    _, (second, out), (third, gone) = told.news
    assert (out, gone) == ([Difference(1, "out")], [Difference(2, "out")])
    assert (second.in_stock.tolist(), third.in_stock.tolist()) == (
        [False, False, True, True],
        [False, False, False, True],
    )
    assert feed.current is third


def test_a_promotion_whose_time_comes_is_told_though_nobody_says_anything(clock: Clock, told: Told) -> None:
    followed(clock, told, Script(clock, LOADED, [4.0, 2.0, 1.0]))
    assert told.differences == [Difference(1, "promotion", "p")]


def test_a_poll_that_fails_loses_nothing(clock: Clock, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    followed(clock, told, Script(clock, LOADED, [RuntimeError("no answer"), [OUT]]))
    assert told.differences == [Difference(1, "out")]
    assert "no answer" in caplog.text


def test_a_load_that_breaks_off_begins_anew_and_shows_nothing_half(clock: Clock, told: Told) -> None:
    broken, whole = Script(clock, [[OUT], RuntimeError("gone")], []), Script(clock, LOADED, [])
    feed = followed(clock, told, ConnectionError("no broker"), broken, whole)
    assert broken.is_closed
    assert (len(told.news), feed.current.in_stock.tolist()) == (1, [False, True, True, True])


def test_a_listener_that_fails_does_not_end_the_feed(clock: Clock, told: Told) -> None:
    def listener(assortment: Assortment, found: Sequence[Difference]) -> None:
        told(assortment, found)
        raise RuntimeError("a defect")

    feed = followed(clock, listener, Script(clock, LOADED, [[OUT]]))
    assert told.differences == [Difference(1, "out")]
    assert not feed.current.in_stock[1]


def test_the_age_is_the_time_since_all_was_read(clock: Clock, told: Told) -> None:
    script = Script(clock, LOADED, [2.0, 2.0])
    feed = followed(clock, told, script)
    assert (feed.age_s, feed.unchanged_s) == (2.0, 4.0)


def test_behind_a_silent_broker_and_behind_unread_records_the_snapshot_grows_old(clock: Clock, told: Told) -> None:
    silent, behind = Script(clock, LOADED, [2.0] * 5), Script(clock, LOADED, [2.0] * 5)
    silent.is_broker_silent, behind.end = True, 7
    assert followed(clock, told, silent).age_s == 10.0
    assert followed(clock, told, behind).age_s == 10.0


def test_before_the_topic_was_read_everything_is_in_stock_and_the_age_has_no_end(clock: Clock) -> None:
    connected = threading.Event()

    def slow_broker() -> NoReturn:
        connected.wait()
        raise OSError("The broker went away.")

    feed = AssortmentFeed(slow_broker, VOCABULARY)
    assert not feed.start(wait_s=0.0)
    assert (feed.current.in_stock.tolist(), feed.age_s) == ([False, True, True], float("inf"))
    connected.set()
    feed.stop()
