"""What is kept of users in memory."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.user_states import UserStates

EVENTS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9), st.integers(0, 50)), max_size=60)


@given(EVENTS)
def test_a_state_is_the_latest_events_the_newest_first(events: list[tuple[str, int, int]]) -> None:
    states, expected = UserStates(kept=5), {"a": [], "b": []}  # type: ignore[var-annotated]
    for user, item, at_ms in sorted(events, key=lambda event: event[2]):
        states.add(user, item, at_ms)
        expected[user].insert(0, (item, at_ms))
    for user, newest_first in expected.items():
        state = states.state(user, 100)
        assert list(zip(state.items.tolist(), state.times.tolist(), strict=True)) == newest_first[:5]
        assert set(states.history(user).tolist()) == {item for item, _ in newest_first}
        assert len(states.history(user)) == len({item for item, _ in newest_first})


def test_a_state_stays_as_it_was_when_more_comes() -> None:
    states = UserStates(kept=3)
    handed_out = []
    for item in range(1, 200):
        states.add("a", item, item)
        handed_out.append((item, states.state("a", item).items))
    for item, items in handed_out:
        assert items.tolist() == [*range(item, max(item - 3, 0), -1)]


def test_a_late_event_counts_as_if_it_came_now() -> None:
    states = UserStates()
    states.add("a", 1, 90)
    states.add("a", 2, 50)
    assert states.state("a", 100).times.tolist() == [90, 90]


def test_nothing_is_known_of_somebody_new() -> None:
    states = UserStates()
    state = states.state("a", 7, {"geo": "se"}, "young")
    assert state.is_new
    assert (state.now_ms, state.context, state.group) == (7, {"geo": "se"}, "young")
    assert len(states.history("a")) == 0
    assert not states.has("a", 1)


def test_it_is_known_what_a_user_has_had() -> None:
    states = UserStates(kept=1)
    for item in (1, 2):
        states.add("a", item, item)
    assert states.has("a", 1)
    assert not states.has("b", 1)
    assert np.array_equal(states.history("a"), [1, 2])
