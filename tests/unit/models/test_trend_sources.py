"""What the sources propose that learn what all users do: co-visits, followers, popular, trending, new, sessions, content."""

import doctest
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest

from freshet.models.features import DAY_MS, HOUR_MS
from freshet.models.sources import popular, sessions
from freshet.models.sources.again import Again
from freshet.models.sources.content import Content, KeptAlike
from freshet.models.sources.covisits import CoVisitLearner, CoVisits
from freshet.models.sources.followers import FollowerLearner, Followers
from freshet.models.sources.fresh import Fresh, LearntFirstSeen
from freshet.models.sources.neighbours import learnt_histories, user_neighbours
from freshet.models.sources.popular import ContextSegment, Popular, PopularLearner, categories, stage
from freshet.models.sources.rows import LearntRows
from freshet.models.sources.sessions import GAP_MS, LONGEST, LearntSessions, SessionNeighbours
from freshet.models.sources.source import Floats, Found, Learner, Source
from freshet.models.sources.trending import Trending
from freshet.models.user_state import Ints, UserState
from freshet.models.user_states import UserStates

MINUTE_MS = 60_000


def a_user(*items: int, now_ms: int = 0) -> UserState:
    return UserState(now_ms, items=np.array(items, np.int64))


def walk(learner: Learner, visits: Sequence[tuple[str, int, int]]) -> None:
    """Let a learner see visits of (user, item, minute)."""
    states = UserStates()
    for user, item, minute in visits:
        learner.learn(states.state(user, minute * MINUTE_MS), item, 1.0)
        states.add(user, item, minute * MINUTE_MS)


def walked(user: str, *items: int, since: int = 0) -> list[tuple[str, int, int]]:
    return [(user, item, since + minute) for minute, item in enumerate(items)]


def scores(found: Found) -> dict[int, float]:
    return dict(zip(found.items.tolist(), found.scores.tolist(), strict=True))


@pytest.mark.parametrize("module", [popular, sessions], ids=lambda module: module.__name__)
def test_the_examples_of_a_module_are_true(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def covisits(*visits: tuple[str, int, int]) -> CoVisits:
    rows = LearntRows()
    walk(CoVisitLearner(rows), visits)
    return CoVisits(rows)


def test_co_visits_are_found_both_ways_and_forwards_more() -> None:
    found = scores(covisits(*walked("u", 1, 2, 3)).candidates(a_user(2), 9))
    assert found.keys() == {1, 3}
    assert found[3] > found[1]


def test_a_co_visit_counts_more_the_nearer_it_is() -> None:
    found = scores(covisits(*walked("u", 1, 2, 3, 4)).candidates(a_user(1), 9))
    assert found[2] > found[3] > found[4]


def test_items_of_one_instant_are_co_visits_without_an_order() -> None:
    source = covisits(("u", 1, 0), ("u", 2, 0), ("v", 3, 0), ("v", 4, 1))
    assert scores(source.candidates(a_user(1), 9))[2] == pytest.approx(scores(source.candidates(a_user(2), 9))[1])
    assert scores(source.candidates(a_user(3), 9))[4] > scores(source.candidates(a_user(4), 9))[3]


def test_a_step_over_a_whole_instant_is_as_long_as_its_middle() -> None:
    source = covisits(("u", 1, 0), ("u", 2, 0), ("u", 3, 1))
    found = scores(source.candidates(a_user(3), 9))
    assert found[1] > 0
    assert found[1] / found[2] == pytest.approx(1.0, abs=0.1)


def test_an_item_is_no_co_visit_of_itself() -> None:
    assert 1 not in covisits(*walked("u", 1, 1, 2, 1)).candidates(a_user(1), 9).items


def test_what_is_visited_around_everything_is_no_better_for_being_popular() -> None:
    crowd = [visit for number in range(40) for visit in walked(f"c{number}", 10 + number, 5, since=number)]
    source = covisits(*crowd, *walked("u", 1, 7, 5), *walked("v", 1, 7, 5))
    assert source.candidates(a_user(1), 1).items.tolist() == [7]


def test_co_visits_name_the_items_behind() -> None:
    evidence = covisits(*walked("u", 1, 2, 9)).candidates(a_user(2, 1), 9).because([9])[0]
    assert evidence.kind == "items"
    assert evidence.items == (2, 1)


def followers(*visits: tuple[str, int, int]) -> Followers:
    rows = LearntRows()
    walk(FollowerLearner(rows), visits)
    return Followers(rows)


def test_followers_come_after_and_never_before() -> None:
    assert scores(followers(*walked("u", 1, 2, 3)).candidates(a_user(2), 9)).keys() == {3}


def test_a_follower_scores_its_share_of_what_came_next() -> None:
    source = followers(*walked("u", 1, 2), *walked("v", 1, 2), *walked("w", 1, 3))
    found = scores(source.candidates(a_user(1), 9))
    assert found[2] == pytest.approx(2 * found[3])


def test_what_was_learnt_long_ago_fades_behind_what_was_learnt_lately() -> None:
    rows = LearntRows(half_life_ms=10 * MINUTE_MS)
    old = [visit for user in "abc" for visit in walked(user, 1, 2)]
    walk(FollowerLearner(rows), [*old, *walked("v", 1, 3, since=60)])
    assert Followers(rows).candidates(a_user(1), 1).items.tolist() == [3]


NOBODY = LearntRows()
NEWCOMER_KNOWS_NOTHING: list[Source] = [
    CoVisits(NOBODY),
    Followers(NOBODY),
    Popular(NOBODY),
    Popular(NOBODY, categories, "in-category"),
    Trending(NOBODY, NOBODY, 20.0),
    Fresh(LearntFirstSeen()),
    SessionNeighbours(LearntSessions()),
    user_neighbours(learnt_histories()),
    Again(),
]


@pytest.mark.parametrize("source", NEWCOMER_KNOWS_NOTHING, ids=lambda source: source.name)
@pytest.mark.parametrize("user", [a_user(), a_user(3, 400)], ids=["new", "known"])
def test_a_source_without_anything_learnt_proposes_only_what_the_user_had(source: Source, user: UserState) -> None:
    found = source.candidates(user, 5)
    assert set(found.items.tolist()) <= set(user.items.tolist())
    assert len(found.items) == len(found.scores)


def test_popular_is_what_has_most_events_lately() -> None:
    rows = LearntRows(half_life_ms=30 * MINUTE_MS)
    walk(PopularLearner(rows), [*walked("u", 1, 1, 1), *walked("v", 2, 2, since=120)])
    found = Popular(rows).candidates(a_user(), 9)
    assert found.items.tolist() == [2, 1]
    assert found.because([2])[0].kind == "trend"


def test_newcomers_get_what_newcomers_begin_with() -> None:
    rows = LearntRows()
    visits = [visit for user in "abcd" for visit in walked(user, 1, *[5] * 6)]
    walk(PopularLearner(rows, stage), visits)
    assert Popular(rows, stage).candidates(a_user(), 9).items.tolist() == [1]
    assert Popular(rows, stage).candidates(a_user(5, 5, 5, 5, 1), 1).items.tolist() == [5]


def test_all_items_of_a_users_first_instant_are_what_he_began_with() -> None:
    rows = LearntRows()
    walk(PopularLearner(rows, stage), [("u", 1, 0), ("u", 2, 0), ("u", 3, 1)])
    assert sorted(Popular(rows, stage).candidates(a_user(), 9).items.tolist()) == [1, 2]


@pytest.mark.parametrize(("field", "known"), [("geo", {"context": {"geo": "se"}}), ("group", {"group": "se"})])
def test_a_segment_has_its_own_popular_items(field: str, known: dict[str, object]) -> None:
    rows, segment = LearntRows(), ContextSegment(field)
    learner, source = PopularLearner(rows, segment), Popular(rows, segment, "here")
    learner.learn(UserState(0, **known), 7, 1.0)  # type: ignore[arg-type]
    learner.learn(UserState(0, context={"geo": "de"}, group="de"), 8, 1.0)
    assert source.candidates(UserState(0, **known), 9).items.tolist() == [7]  # type: ignore[arg-type]
    assert len(source.candidates(UserState(0), 9).items) == 0
    assert source.candidates(UserState(0, **known), 9).because([7])[0].kind == "segment"  # type: ignore[arg-type]


def test_the_latest_category_that_anything_is_known_of_is_shown() -> None:
    rows = LearntRows()
    PopularLearner(rows, categories).learn(UserState(0, categories=np.array([4])), 7, 1.0)
    source = Popular(rows, categories, "in-category")
    assert source.candidates(UserState(0, categories=np.array([2, 4])), 9).items.tolist() == [7]


def test_trending_is_what_grows_and_not_what_is_large() -> None:
    fast, slow = LearntRows(HOUR_MS), LearntRows(DAY_MS)
    steady = [("u", 1, 10 * number) for number in range(1_000)]
    rising = [("v", 2, 9_900 + number) for number in range(60)]
    for rows in (fast, slow):
        walk(PopularLearner(rows), sorted([*steady, *rising], key=lambda visit: visit[2]))
    found = Trending(fast, slow, DAY_MS / HOUR_MS).candidates(a_user(), 9)
    assert found.items.tolist() == [2]
    assert found.because([2])[0].strength > 2


def test_new_items_stand_the_newest_first_and_age() -> None:
    first_seen = LearntFirstSeen(remembered=2)
    walk(first_seen, [("u", 1, 0), ("u", 2, 1), ("v", 1, 2), ("v", 3, 3)])
    found = Fresh(first_seen).candidates(a_user(now_ms=3 * MINUTE_MS + 3 * DAY_MS), 9)
    assert found.items.tolist() == [3, 2]
    assert found.scores[0] == pytest.approx(0.5)
    assert len(Fresh(first_seen).candidates(a_user(now_ms=90 * DAY_MS), 9).items) == 0


def neighbours(*visits: tuple[str, int, int], capacity: int = 100) -> SessionNeighbours:
    learnt = LearntSessions(capacity)
    walk(learnt, visits)
    return SessionNeighbours(learnt)


def test_a_session_that_shares_more_counts_more() -> None:
    source = neighbours(*walked("u", 1, 2, 8), *walked("v", 1, 9))
    found = scores(source.candidates(a_user(2, 1), 9))
    assert found[8] > found[9]


def test_of_a_session_what_is_near_the_shared_items_counts_most() -> None:
    found = scores(neighbours(*walked("u", 1, 5, 6, 7)).candidates(a_user(1), 9))
    assert found[5] > found[6] > found[7]


def test_a_pause_ends_a_session() -> None:
    pause = GAP_MS // MINUTE_MS
    found = neighbours(*walked("u", 1, 2), *walked("u", 3, 4, since=pause + 1)).candidates(a_user(1), 9)
    assert set(found.items.tolist()) == {1, 2}


def test_a_history_goes_on_over_a_pause() -> None:
    histories = learnt_histories()
    walk(histories, [*walked("u", 1, 2), *walked("u", 3, 4, since=10_000)])
    assert set(user_neighbours(histories).candidates(a_user(1), 9).items.tolist()) == {1, 2, 3, 4}


def test_sessions_that_are_pushed_out_are_forgotten() -> None:
    visits = [visit for number in range(3) for visit in walked(f"u{number}", 1, 10 + number, since=number)]
    found = neighbours(*visits, capacity=2).candidates(a_user(1), 9)
    assert set(found.items.tolist()) == {1, 11, 12}


def test_a_session_of_any_length_goes_on() -> None:
    items = [*range(1, LONGEST + 6)]
    found = neighbours(*walked("u", *items)).candidates(a_user(LONGEST + 5), 99)
    assert set(found.items.tolist()) == {*range(LONGEST + 1, LONGEST + 6)}


def test_a_whole_session_is_what_its_events_are() -> None:
    whole = LearntSessions()
    whole.add(np.array([1, 2, 8]))
    found = scores(SessionNeighbours(whole).candidates(a_user(2, 1), 9))
    assert found == scores(neighbours(*walked("u", 1, 2, 8)).candidates(a_user(2, 1), 9))


def test_of_a_session_that_is_too_long_the_last_events_are_kept() -> None:
    whole = LearntSessions()
    whole.add(np.arange(1, LONGEST + 4))
    assert set(whole.of(np.array([0]))[0].tolist()) == {*range(4, LONGEST + 4)}


def test_session_neighbours_name_the_shared_items() -> None:
    evidence = neighbours(*walked("u", 1, 2, 8)).candidates(a_user(2, 1), 9).because([8])[0]
    assert evidence.kind == "session"
    assert set(evidence.items) == {1, 2}


class Likenesses:
    """Items are alike that are near each other as numbers."""

    def nearest(self, item: int, k: int) -> tuple[Ints, Floats]:
        others = np.array([item + 1, item + 2], np.int64)[:k]
        return others, np.array([0.9, 0.4], np.float32)[:k]


def test_content_is_like_the_latest_items_and_tells_which() -> None:
    found = Content(Likenesses()).candidates(a_user(10, 8), 9)
    assert found.items.tolist() == [11, 9, 12]
    assert 10 not in found.items
    assert found.because([9])[0].items == (8,)


def test_again_is_the_latest_item_first() -> None:
    found = Again().candidates(a_user(3, 1, 3, 2), 2)
    assert found.items.tolist() == [3, 1]
    assert found.because([3])[0].strength == 2.0


def test_what_is_alike_is_remembered_until_the_catalogue_is_described_anew() -> None:
    asked = list[int]()

    class Told(Likenesses):
        def nearest(self, item: int, k: int) -> tuple[Ints, Floats]:
            asked.append(item)
            return super().nearest(item, k)

    described = [Told()]
    kept = KeptAlike(lambda: described[-1], kept=2)
    assert [kept.nearest(4, k)[0].tolist() for k in (1, 2, 0)] == [[5], [5, 6], []]
    assert asked == [4]
    described.append(Told())
    kept.nearest(4, 1)
    assert asked == [4, 4]
    for item in (5, 6, 4):
        kept.nearest(item, 1)
    assert asked == [4, 4, 5, 6, 4]  # two at a time
