"""The recommender that learns in process: it learns at once, explains itself, and always has a list."""

from collections.abc import Sequence

import numpy as np
import pytest

from freshet.models.recommender import Event, Recommended, Recommender, Setup
from freshet.models.sources.source import Evidence, Found, each
from freshet.models.user_state import UserState

MINUTE_MS = 60_000


def watched(recommender: Recommender, user: str, *items: str, since: int = 0) -> None:
    for minute, item in enumerate(items, since):
        recommender.update(Event(user, item, minute * MINUTE_MS))


def items(listed: Sequence[Recommended]) -> list[str]:
    return [one.item for one in listed]


@pytest.fixture
def recommender() -> Recommender:
    """Return one that has seen thirty users go from alien to aliens to heat."""
    recommender = Recommender()
    for number in range(30):
        watched(recommender, f"user-{number}", "alien", "aliens", "heat", since=number)
    return recommender


def test_one_event_changes_the_next_list(recommender: Recommender) -> None:
    assert items(recommender.recommend("anna", 1)) == ["alien"]
    watched(recommender, "anna", "alien", since=100)
    assert items(recommender.recommend("anna", 1)) == ["aliens"]
    watched(recommender, "anna", "aliens", since=101)
    assert items(recommender.recommend("anna", 1)) == ["heat"]


def test_an_item_tells_why_it_is_there(recommender: Recommender) -> None:
    watched(recommender, "anna", "alien", "aliens", since=100)
    first = recommender.recommend("anna", 1)[0]
    assert first.source == "co-visit"
    assert first.evidence.text == "often visited around"
    assert first.behind == ("aliens", "alien")


def test_what_the_user_has_had_is_not_shown_again(recommender: Recommender) -> None:
    watched(recommender, "anna", "heat", "alien", since=100)
    assert items(recommender.recommend("anna", 9)) == ["aliens"]


def test_what_the_user_has_had_is_shown_where_people_come_back() -> None:
    recommender = Recommender(Setup(repeats=True))
    watched(recommender, "anna", "milk", "tea")
    assert set(items(recommender.recommend("anna", 9))) == {"milk", "tea"}


def test_an_item_is_recommended_after_its_first_event(recommender: Recommender) -> None:
    watched(recommender, "ben", "alien", "brand-new", since=200)
    watched(recommender, "anna", "alien", since=300)
    assert "brand-new" in items(recommender.recommend("anna", 9))


def test_places_that_no_source_fills_go_to_popular_items(recommender: Recommender) -> None:
    watched(recommender, "ben", *[f"film-{number}" for number in range(60)], since=200)
    listed = recommender.recommend("anna", 40)
    assert len(set(items(listed))) == 40
    watched(recommender, "anna", "never-seen-before", since=300)
    listed = recommender.recommend("anna", 40)
    assert len(set(items(listed))) == 40
    assert all(np.isfinite(one.score) for one in listed)
    assert listed[0].evidence.text


def test_every_list_is_as_full_as_it_can_be(recommender: Recommender) -> None:
    """Some lists are made by the sources that count alone, and some by all of them to compare."""
    watched(recommender, "anna", "alone", since=100)
    for _ in range(6):
        assert len(recommender.recommend("anna", 3)) == 3


def test_there_are_no_more_places_than_items(recommender: Recommender) -> None:
    assert sorted(items(recommender.recommend("anna", 100))) == ["alien", "aliens", "heat"]
    assert items(Recommender().recommend("anna", 100)) == []


def test_the_weight_of_an_event_is_how_often_it_counts() -> None:
    recommender = Recommender()
    for number in range(5):
        recommender.update(Event(f"a{number}", "weak", 0))
    recommender.update(Event("b", "strong", 0, weight=9.0))
    assert items(recommender.recommend("anna", 1)) == ["strong"]


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_would_spoil_the_counts_is_refused(recommender: Recommender, weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        recommender.update(Event("anna", "alien", 0, weight))


class Always:
    """A source that proposes one item."""

    name = "always"

    def __init__(self, item: int) -> None:
        self.item = item

    def candidates(self, user: UserState, k: int) -> Found:
        return Found(
            np.array([self.item]), np.ones(1, np.float32), each(lambda item: Evidence("content", (), "always", 1.0))
        )


def test_a_further_source_takes_part() -> None:
    source = Always(0)
    recommender = Recommender(more=[(source, 5.0)])
    source.item = recommender.number_of("new film")
    watched(recommender, "ben", "alien", "aliens")
    watched(recommender, "anna", "alien", since=9)
    first, second = recommender.recommend("anna", 2)
    assert (first.item, first.source, first.evidence.text) == ("new film", "always", "always")
    assert second.item == "aliens"
    assert recommender.name_of(source.item) == "new film"


def test_what_users_take_teaches_the_weights() -> None:
    """Everybody goes on with what a further source says, which counts for nothing at first."""
    source = Always(0)
    recommender = Recommender(Setup(study_every=1), more=[(source, 0.0)])
    films = [f"film-{number}" for number in range(50)]
    rng = np.random.default_rng(0)
    for number in range(600):
        user, since = f"user-{number}", 3 * number
        watched(recommender, user, str(rng.choice(films)), since=since)
        choice = str(rng.choice(films))
        source.item = recommender.number_of(choice)
        recommender.recommend(user, 5)
        watched(recommender, user, choice, since=since + 1)
    assert recommender.weights["always"] > 0
