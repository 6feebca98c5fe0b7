"""Who has just come is met by his first two events, and what has just come is shown at once."""

import time
from collections.abc import Sequence
from functools import partial

import pytest

from builders import an_interaction
from e2e.running import until
from freshet.lists import Answer, ListReader
from freshet.models.artefact import Artefact
from freshet.models.placements import load_placements
from freshet.replay.produce import produce
from freshet.schemas.topics import CATALOG, INTERACTIONS
from freshet.settings import Settings
from freshet.submit import Cluster

pytestmark = pytest.mark.e2e

NEWCOMER, VISITOR, NEW_ITEM = "user-cold-start", "user-who-sees-what-is-new", "item-cold-start"


@pytest.fixture
def lists(cluster: Cluster, settings: Settings) -> ListReader:
    """Reads lists, while all jobs run."""
    return ListReader(settings, "home")


def known_items() -> tuple[str, str]:
    """Two items of the model, of different categories."""
    vocabulary = Artefact.load().vocabulary
    first = vocabulary.items[5]
    category = vocabulary.category(vocabulary.index_of[first])
    others = (one for one in vocabulary.items if vocabulary.category(vocabulary.index_of[one]) != category)
    return first, next(others)


def looks_at(user: str, item: str, settings: Settings) -> None:
    produce([an_interaction("view", user=user, at=int(time.time() * 1000), item_id=item)], settings, INTERACTIONS)


def behind(answer: Answer) -> set[str]:
    """The items that the evidence of a list names."""
    return {item for place in answer.items for item in place["evidence"]["items"]}


def after(events: int, lists: ListReader, user: str) -> Answer:
    """The user's own list, once it knows so many events."""

    def own() -> Answer | None:
        found = lists.own(user)
        return found if found and found.sequence >= events else None

    answer: Answer = until(own, f"the list of {events} events", timeout_s=120)
    return answer


def test_a_new_user_gets_what_is_popular_and_after_each_event_a_list_of_what_he_did(
    lists: ListReader, settings: Settings
) -> None:
    first, second = known_items()
    hot: Answer = until(partial(lists.best, NEWCOMER), "the hot list", timeout_s=120)
    assert not hot.is_personal
    assert hot.items

    looks_at(NEWCOMER, first, settings)
    one = after(1, lists, NEWCOMER)
    assert one.is_personal
    assert behind(one) == {first}

    looks_at(NEWCOMER, second, settings)
    two = after(2, lists, NEWCOMER)
    assert behind(two) == {first, second}
    assert ids(two) != ids(one)
    assert not {first, second} & set(ids(two)), "what was just looked at is not proposed again"


def test_a_new_item_is_listed_after_the_first_event_of_anybody(lists: ListReader, settings: Settings) -> None:
    place = load_placements().by_name["home"].reranking.new_items.places[0]
    first, _ = known_items()
    looks_at(VISITOR, first, settings)
    assert NEW_ITEM not in ids(after(1, lists, VISITOR))

    now = int(time.time() * 1000)
    produce([{"item_id": NEW_ITEM, "available_since": now - 1_000, "updated_at": now}], settings, CATALOG)
    time.sleep(2)  # the workers follow the catalogue within a second
    looks_at(VISITOR, first, settings)
    listed = after(2, lists, VISITOR)
    assert ids(listed).index(NEW_ITEM) == place - 1
    assert listed.items[place - 1]["source"] == "new"


def ids(answer: Answer) -> Sequence[str]:
    return [place["item_id"] for place in answer.items]
