"""The features job goes on from a savepoint that an earlier release made: what it knew it still knows."""

import json
import time
from collections.abc import Iterator

import pytest

from e2e.earlier.make import EXPECTED, HERE, KINDS, LASTING, SAVEPOINT, SUBJECTS, a_clean_event, count_of, read, send
from e2e.running import is_running, until
from freshet.settings import Settings
from freshet.submit import Cluster
from local_stack import own_stack

pytestmark = pytest.mark.e2e

NEVER = {"FRESHET_FEATURES__STATE_TTL_DAYS": "36500"}  # the savepoint grows old, and by the default would be forgotten


@pytest.fixture(scope="module")
def restored() -> Iterator[Settings]:
    """The settings of a stack of its own, on which the job has gone on from the savepoint."""
    with own_stack(**NEVER) as (settings, freshet):
        freshet("features", "apply", "--repo", str(HERE))
        freshet("submit", "features", "--from-savepoint", SAVEPOINT.as_uri())
        until(lambda: is_running(Cluster(settings), "features"), "the features job", timeout_s=120)
        yield settings


def test_an_event_that_it_knew_is_dropped_and_a_new_one_joins_the_old(restored: Settings) -> None:
    now, known = int(time.time() * 1000), len(KINDS)
    before = json.loads(EXPECTED.read_text("utf-8"))
    send(restored, [a_clean_event(one, number, now) for one in SUBJECTS for number in range(known + 1)])
    until(lambda: all(count_of(read(restored, one)) > known for one in SUBJECTS), "the new events", timeout_s=90)
    time.sleep(2)  # a copy that was not dropped would come right behind
    for subject in SUBJECTS:
        reading = read(restored, subject)
        assert count_of(reading) == known + 1
        items, bought, categories = reading.values[: len(LASTING)]
        assert items == ["item-2", *before[subject][0]]
        assert bought == before[subject][1]
        assert categories == ["category-0", *(one for one in before[subject][2] if one != "category-0")]


def test_what_was_in_a_window_then_has_left_it(restored: Settings) -> None:
    """The panes of then were kept, and time has passed since."""
    for subject in SUBJECTS:
        assert read(restored, subject).values[len(LASTING) :] == (1, 1, 1)
