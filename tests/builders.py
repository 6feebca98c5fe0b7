"""Events and streams for tests, so that a test reads as a sentence."""

from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, uuid5

import pytest
from hypothesis import strategies as st

from freshet.udfs.aggregates.aggregate import Event
from freshet.udfs.rules import Rule
from freshet.udfs.views import View, views_from_feast

Value = TypeVar("Value")
Record = dict[str, Any]

NOON = 1_514_808_000_000  # 2018-01-01T12:00:00Z


def seconds(count: float) -> int:
    """Return so many seconds in milliseconds."""
    return int(count * 1_000)


def minutes(count: float) -> int:
    """Return so many minutes in milliseconds."""
    return seconds(60 * count)


def hours(count: float) -> int:
    """Return so many hours in milliseconds."""
    return minutes(60 * count)


def an_interaction(event_type: str, *, user: str = "u1", at: int = NOON, **changes: Any) -> Record:
    """Return a record of `interactions`."""
    event = {
        "event_id": str(uuid5(NAMESPACE_OID, f"{event_type} {user} {at}")),
        "user_id": user,
        "item_id": "i1",
        "event_type": event_type,
        "event_time": at,
        "value": None,
        "session_id": None,
        "request_id": None,
        "context": {},
    }
    return event | changes


def a_click(*, user: str = "u1", item: str = "i1", at: int = NOON, **changes: Any) -> Record:
    """Return a click, as the front end sends it."""
    return an_interaction("click", user=user, at=at, item_id=item, **changes)


def a_purchase(*, user: str = "u1", item: str = "i1", paid: float = 9.5, at: int = NOON, **changes: Any) -> Record:
    """Return a purchase, as the front end sends it."""
    return an_interaction("purchase", user=user, at=at, item_id=item, value=paid, **changes)


FEATURE_REPO = Path(__file__).parents[1] / "feature_repo"
EXAMPLES = Path(__file__).parents[1] / "examples"
REPOS = pytest.mark.parametrize("repo", [FEATURE_REPO, EXAMPLES / "music"], ids=lambda repo: str(repo.name))
"""Every folder of definitions that there is."""


def the_shops_views() -> tuple[View, ...]:
    """Return the views of `feature_repo/definitions.py`, as the engine sees them."""
    return views_of(FEATURE_REPO)


@cache
def views_of(repo: Path) -> tuple[View, ...]:
    """Return the views of a folder's `definitions.py`, as the engine sees them."""
    from freshet.definitions import load_definitions

    declared = load_definitions(repo / "definitions.py").values()
    return tuple(views_from_feast(one for one in declared if type(one).__name__ == "StreamFeatureView"))


@cache
def the_shops_rules() -> tuple[Rule, ...]:
    """Return the rules of `feature_repo/definitions.py`."""
    from freshet.definitions import load_definitions

    declared = load_definitions(FEATURE_REPO / "definitions.py").values()
    return tuple(one for one in declared if isinstance(one, Rule))


SECOND = seconds(1)

INSTANTS = st.one_of(
    st.integers(-30 * SECOND, 90 * SECOND),
    # Where panes and sessions begin and end.
    st.builds(lambda whole, off: whole * SECOND + off, st.integers(-30, 90), st.sampled_from((-1, 0, 1))),
)
"""Times before and after 1970, often beside a whole second."""


def streams(values: st.SearchStrategy[Value], longest: int = 40) -> st.SearchStrategy[list[Event[Value]]]:
    """Return streams in any order of arrival, with events of one instant and events without a value among them."""
    moments = st.lists(st.tuples(INSTANTS, st.none() | values), max_size=longest)
    return st.builds(_placed, moments, st.integers(0, 63))


def _placed(moments: list[tuple[int, Value | None]], scramble: int) -> list[Event[Value]]:
    """Give every event a position of its own, which says nothing about the order of arrival."""
    return [Event(time, value, arrival ^ scramble) for arrival, (time, value) in enumerate(moments)]
