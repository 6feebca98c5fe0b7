"""A panel asks each source of the placement, times it, and goes on without one that fails."""

import logging
from dataclasses import dataclass, field

import numpy as np
import pytest

from freshet.models.merge import Share
from freshet.models.panel import Panel
from freshet.models.sources.source import Evidence, Found, Source, each
from freshet.models.user_state import Users, UserState

NOBODY = Users([UserState(now_ms=0)])


@dataclass
class Steady:
    """Always finds the same items."""

    name: str
    items: list[int]
    asked: list[int] = field(default_factory=list)

    def candidates(self, user: UserState, k: int) -> Found:
        self.asked.append(k)
        items = self.items[:k]
        scores = np.linspace(2, 1, len(items)).astype(np.float32)
        return Found(np.array(items, np.int64), scores, each(lambda item: Evidence("trend", (), self.name, 1.0)))


class Broken:
    """Never finds anything."""

    name = "broken"

    def candidates(self, user: UserState, k: int) -> Found:
        raise RuntimeError("the table is torn")


def test_every_source_with_a_share_is_asked_and_the_others_are_not() -> None:
    wanted, unwanted, off = Steady("wanted", [1, 2]), Steady("unwanted", [3]), Steady("off", [4])
    sources = {one.name: one for one in (wanted, unwanted, off)}
    panel = Panel(sources, [Share("wanted", 5), Share("off", 0)], k=5, size=10)
    assert panel.pools(NOBODY).items.tolist() == [[1, 2, 0, 0, 0]]
    assert (len(wanted.asked), len(unwanted.asked), len(off.asked)) == (1, 0, 0)


def test_a_share_of_a_source_that_does_not_exist_is_refused() -> None:
    with pytest.raises(KeyError, match="nosuch"):
        Panel({}, [Share("nosuch", 1)], k=1, size=2)


def test_a_source_that_fails_is_counted_and_told_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    sources: dict[str, Source] = {"broken": Broken(), "steady": Steady("steady", [7])}
    panel = Panel(sources, [Share("broken", 2), Share("steady", 2)], k=4, size=10)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            assert panel.pools(NOBODY).items.tolist() == [[7, 0, 0, 0]]
    assert panel.timings["broken"].failures == 5
    assert panel.timings["steady"].failures == 0
    assert len(caplog.records) == 3  # the first, second and fourth time
    assert "the table is torn" in caplog.text


def test_each_source_is_timed() -> None:
    panel = Panel({"steady": Steady("steady", [7])}, [Share("steady", 2)], k=4, size=10)
    for _ in range(3):
        panel.pools(NOBODY)
    timing = panel.timings["steady"]
    assert timing.users == 3
    assert 0 < timing.mean_us <= timing.worst_ns / 1000


def test_the_evidence_of_a_pooled_item_comes_from_the_source_that_brought_it_in() -> None:
    sources = {"one": Steady("one", [1]), "two": Steady("two", [1, 2])}
    pool = Panel(sources, [Share("one", 1), Share("two", 2)], k=3, size=5).pools(NOBODY)
    pairs = zip(pool.items[0, :2], pool.sources[0, :2], strict=True)
    told = [pool.finds[source].because(np.array([0]), np.array([item])).told()[0].text for item, source in pairs]
    assert told == ["one", "two"]
