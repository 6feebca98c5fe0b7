"""A recommender in one process that learns from every event: the sources of the scoring job with rows of its own.

    recommender = Recommender()
    recommender.update(Event("anna", "film-7", at_ms=0))
    for one in recommender.recommend("anna", 10):
        print(one.item, one.score, one.source, one.evidence)

It is what `freshet.models.evaluate` and `make bench-quality` measure.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from freshet.models.blend import Blend, Pooled, Pooler
from freshet.models.features import DAY_MS, HOUR_MS
from freshet.models.sources.again import Again
from freshet.models.sources.covisits import CoVisitLearner, CoVisits
from freshet.models.sources.followers import FollowerLearner, Followers
from freshet.models.sources.fresh import Fresh, LearntFirstSeen
from freshet.models.sources.popular import Popular, PopularLearner, stage
from freshet.models.sources.rows import LearntRows
from freshet.models.sources.sessions import LearntSessions, SessionNeighbours
from freshet.models.sources.source import Because, Evidence, Found, Learner, Source, nothing_found
from freshet.models.sources.trending import Trending
from freshet.models.user_state import NOTHING, UserState
from freshet.models.user_states import UserStates

POOL = 200
"""Candidates that each source is asked for, beyond those that are barred."""

ASKED = 2_000
"""Users whose last list is kept until it is known what they took."""


SLOW_MS, FAST_MS = 5 * DAY_MS, 6 * HOUR_MS
"""Half-lives of popularity; what is trending is told by both."""

POPULAR_KEPT = 2_000
"""Members kept of a row of popular items."""

BACK_AGAIN = 0.5
"""First weight of the user's own latest items, where lists may show them."""


class Event(NamedTuple):
    """A user had something to do with an item.

    Attributes:
        user: any name.
        item: any name.
        at_ms: the instant.
        weight: how much it says for the item beside a usual event.
        context: what the event said beside.
    """

    user: str
    item: str
    at_ms: int
    weight: float = 1.0
    context: Mapping[str, str] = {}


@dataclass(frozen=True, eq=False)
class Recommended:
    """An item of a list.

    Attributes:
        item: its name.
        score: larger is better; comparable within a list.
        source: the source that did most for it.
    """

    item: str
    score: float
    source: str
    _because: Callable[[], Evidence] = field(repr=False)
    _name: Callable[[int], str] = field(repr=False)

    @property
    def evidence(self) -> Evidence:
        """Why the source proposed it; `behind` gives the names of the items."""
        return self._because()

    @property
    def behind(self) -> tuple[str, ...]:
        """Names of the items behind it, the strongest first."""
        return tuple(self._name(item) for item in self.evidence.items)


@dataclass(frozen=True)
class Setup:
    """How a recommender is set up. The defaults were tuned on the first half of MovieLens-100K.

    Attributes:
        half_life_ms: of co-visits and followers.
        keep: members kept of a row.
        repeats: whether a list may show what the user has had before.
        learns_blend: whether what users take next moves the weights of the sources.
        study_every: all sources are asked for one list of so many; for the others only those that count.
    """

    half_life_ms: float = 90 * DAY_MS
    keep: int = 400
    repeats: bool = False
    learns_blend: bool = True
    study_every: int = 3


class _Shown(NamedTuple):
    """A list whose outcome is awaited: the pool, the blend that ranked it, and when the user acted on it first."""

    pooled: Pooled
    blend: Blend
    acted_ms: int | None


class Recommender:
    """Learns from each event at once, and recommends from all that it has learnt. For one thread."""

    def __init__(self, setup: Setup = Setup(), more: Sequence[tuple[Source, float]] = ()) -> None:
        """Begin with nothing learnt.

        Args:
            setup: settings.
            more: further sources for users who are known, such as `Content`, and their weights; they are told item numbers
                that `number_of` gives.
        """
        self._setup = setup
        self._numbers: dict[str, int] = {}
        self._items: list[str] = [""]
        self._states = UserStates()
        self._pooler = Pooler()
        self._shown: dict[str, _Shown] = {}
        self._lists = 0
        self._newest_ms = 0
        known, new, self._learners = _made(setup)
        known = [*known, *more]
        self._known, self._known_blend = [one for one, _ in known], _blend(known, setup)
        self._new, self._new_blend = [one for one, _ in new], _blend(new, setup)

    def update(self, event: Event) -> None:
        """Learn from an event.

        Raises:
            ValueError: its weight is not a number above 0.
        """
        if not 0 < event.weight < math.inf:
            raise ValueError(f"the weight of an event is a number above 0, not {event.weight}")
        item = self.number_of(event.item)
        self._judge(event.user, item, event.at_ms)
        self._newest_ms = max(self._newest_ms, event.at_ms)
        before = self._states.state(event.user, event.at_ms, event.context)
        for learner in self._learners:
            learner.learn(before, item, event.weight)
        self._states.add(event.user, item, event.at_ms)

    def recommend(
        self, user: str, k: int, context: Mapping[str, str] | None = None, *, now_ms: int | None = None
    ) -> list[Recommended]:
        """Return at most k items for a user, the best first.

        Args:
            user: the user; one who is not known gets what newcomers begin with.
            k: items wanted.
            context: what is known of the moment: `geo`, `device`, `page`.
            now_ms: the instant; that of the newest event if None.
        """
        state = self._states.state(user, self._newest_ms if now_ms is None else now_ms, context)
        barred = NOTHING if self._setup.repeats else self._states.history(user)
        sources, blend = (self._new, self._new_blend) if state.is_new else (self._known, self._known_blend)
        is_studied = self._setup.learns_blend and self._lists % self._setup.study_every == 0
        self._lists += 1
        wanted = max(POOL, k) + len(barred)
        pairs = zip(sources, blend.weights.tolist(), strict=True)
        found = [one.candidates(state, wanted) if weight or is_studied else nothing_found() for one, weight in pairs]
        pooled = self._pooler.pool(found, barred)
        if is_studied:
            self._await(user, pooled, blend)
        listed = self._listed(pooled, blend, found, k)
        if len(listed) < k:
            taken = {*barred.tolist(), *(self._numbers[one.item] for one in listed)}
            listed += self._filled(state, taken, k - len(listed))
        return listed

    def _listed(self, pooled: Pooled, blend: Blend, found: Sequence[Found], k: int) -> list[Recommended]:
        """Return the best of the pool; each is told to be of the source that does most for it."""
        top, scores = blend.ranked(pooled, k)
        leads = np.argmax(pooled.scores[:, top] * blend.weights[:, None], axis=0)
        chosen = zip(pooled.items[top].tolist(), scores.tolist(), leads.tolist(), strict=True)
        return [self._recommended(item, score, blend.names[lead], found[lead].because) for item, score, lead in chosen]

    def number_of(self, item: str) -> int:
        """Return the number by which sources know an item; it gets one if it is new."""
        number = self._numbers.get(item)
        if number is None:
            number = self._numbers[item] = len(self._items)
            self._items.append(item)
        return number

    def name_of(self, number: int) -> str:
        """Return the item of a number."""
        return self._items[number]

    @property
    def weights(self) -> dict[str, float]:
        """What each source counts for, for users who are known."""
        return dict(zip(self._known_blend.names, self._known_blend.weights.tolist(), strict=True))

    def _filled(self, state: UserState, taken: set[int], k: int) -> list[Recommended]:
        """Return popular items for the places that no source fills."""
        listed: list[Recommended] = []
        for source in self._new:
            found = source.candidates(state, k + len(taken))
            for item in found.items.tolist():
                if len(listed) == k:
                    return listed
                if item not in taken:
                    taken.add(item)
                    listed.append(self._recommended(item, 0.0, source.name, found.because))
        return listed

    def _recommended(self, item: int, score: float, source: str, because: Because) -> Recommended:
        return Recommended(self._items[item], score, source, lambda: because([item])[0], self.name_of)

    def _await(self, user: str, pooled: Pooled, blend: Blend) -> None:
        self._shown.pop(user, None)
        self._shown[user] = _Shown(pooled, blend, None)
        if len(self._shown) > ASKED:
            del self._shown[next(iter(self._shown))]

    def _judge(self, user: str, item: int, at_ms: int) -> None:
        """Tell the blend what the user took after his last list: the events of the first instant after it."""
        shown = self._shown.get(user)
        if shown is None:
            return
        if shown.acted_ms not in {None, at_ms}:
            del self._shown[user]
            return
        self._shown[user] = shown._replace(acted_ms=at_ms)
        shown.blend.learn(shown.pooled, item)


def _blend(weighted: Sequence[tuple[Source, float]], setup: Setup) -> Blend:
    weights = np.array([weight for _, weight in weighted])
    return Blend([one.name for one, _ in weighted], weights, is_learning=setup.learns_blend)


Weighted = list[tuple[Source, float]]


def _made(setup: Setup) -> tuple[Weighted, Weighted, list[Learner]]:
    """Return the sources for users who are known and for new ones, with their first weights, and what feeds them."""
    covisits, followers = LearntRows(setup.half_life_ms, setup.keep), LearntRows(setup.half_life_ms, setup.keep // 2)
    popular, hot = LearntRows(SLOW_MS, POPULAR_KEPT), LearntRows(FAST_MS, POPULAR_KEPT)
    starts = LearntRows(setup.half_life_ms, POPULAR_KEPT)
    sessions, first_seen = LearntSessions(), LearntFirstSeen()
    learners: list[Learner] = [
        CoVisitLearner(covisits),
        FollowerLearner(followers),
        PopularLearner(popular),
        PopularLearner(hot),
        PopularLearner(starts, stage),
        sessions,
        first_seen,
    ]
    among_alike = Popular(starts, stage, "stage", "popular among people who are as far as you")
    everywhere, rising = Popular(popular), Trending(hot, popular, SLOW_MS / FAST_MS)
    known: Weighted = [
        (CoVisits(covisits), 1.0),
        (Followers(followers), 0.0),
        (SessionNeighbours(sessions), 0.1),
        (among_alike, 0.0),
        (everywhere, 0.0),
        (rising, 0.0),
        *([(Again(), BACK_AGAIN)] if setup.repeats else []),
    ]
    new: Weighted = [(among_alike, 1.0), (everywhere, 0.3), (rising, 0.0), (Fresh(first_seen), 0.0)]
    return known, new, learners
