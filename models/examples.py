"""Point-in-time examples: what the online store held just before a visit, and what was bought in it.

The features are those of the stream job, read at an instant that lies before the visit:

- `Moment.VISIT`: the instant of the visit itself, with everything that happened strictly before it. A list that is made
  when the user comes back is made of these.
- `Moment.LAST_EVENT`: the instant of the user's previous event, with that event and all before it. This is when the
  stream job writes the list that the user finds at the visit.

A visit that is a user's first has nothing before it and makes no example. What is to be foreseen is what the user buys or
clicks at the visit, or, with a horizon, within so long from then on: in a log of all events a purchase follows clicks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freshet.models import features
from freshet.models.dataset import BOUGHT, CLICKED, ITEM, PAGE, WANTED, Events, Visits
from freshet.models.features import RECENT, SESSION_GAP_MS, WINDOWS

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

Choose = Callable[[Ints, Ints, Ints], Ints]
"""Picks candidates from the recent items [20], all items by falling popularity [V] and the items to find [n].

Every call returns as many."""

POPULAR_FOR_MS = features.HOUR_MS
"""How long an order by popularity is used before it is made anew.

Serving does so every few seconds; an hour changes little of what has a half-life of a day."""

USER_SHIFT = 44  # 2^44 ms after 1970 is the year 2527, so (user << 44) + ms sorts by user, then time


class Moment(Enum):
    """The instant at which features are read."""

    VISIT = "visit"
    LAST_EVENT = "last event"


@dataclass(frozen=True, eq=False)
class Questions:
    """Instants at which features are read, each with the visit to foresee. All arrays are int64 [Q].

    Attributes:
        user: whose features.
        as_of: the instant, ms.
        known: one past the position of the last event of the user that is known then.
        first: position of the user's first event.
        visit_end: one past the last event to foresee, the first of which is at `known`.
        inclusive: bool [Q], whether events of other users at that very instant are known too.
    """

    user: Ints
    as_of: Ints
    known: Ints
    first: Ints
    visit_end: Ints
    inclusive: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.user)

    def take(self, positions: Ints) -> "Questions":
        """Return the questions at these positions."""
        return Questions(**{name: column[positions] for name, column in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs of the ranker for B users with C candidates each, and the answers.

    Attributes:
        recent_items: int64 [B, 20]; candidates: int64 [B, C].
        user_features: float32 [B, U]; candidate_features: float32 [B, C, F].
        bought: bool [B, C], whether the candidate was bought at the visit.
        clicked: bool [B, C], whether it was clicked.
        to_find: int64 [B], known items bought or clicked at the visit that are not among the recent items, candidates or
            not.
    """

    recent_items: Ints
    candidates: Ints
    user_features: features.Floats
    candidate_features: features.Floats
    bought: NDArray[np.bool_]
    clicked: NDArray[np.bool_]
    to_find: Ints

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.recent_items)

    def take(self, rows: Ints) -> "Examples":
        """Return the examples of these rows."""
        return Examples(**{name: column[rows] for name, column in vars(self).items()})

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """Whether the candidate was bought or clicked, bool [B, C]."""
        return self.bought | self.clicked


class DecayedCounts:
    """Decayed counts of many keys at several half-lives; a key is brought up to date when it is touched or read.

    The count of a key at time t is the sum over its events of 2^(-(t - t_i) / h).
    """

    def __init__(self, keys: int, half_lives_ms: tuple[int, ...]) -> None:
        """Start with no events for keys 0 .. keys - 1."""
        self._half_lives = np.array(half_lives_ms, np.float64)[:, None]
        self._counts = np.zeros((len(half_lives_ms), keys))
        self._touched = np.zeros(keys, np.int64)

    def add(self, keys: Ints, at: int) -> None:
        """Count one event for each of these keys, a repeated key more than once; `at` (ms) never goes back."""
        self._counts[:, keys] = self.read(keys, at)
        self._touched[keys] = at
        for counts in self._counts:
            np.add.at(counts, keys, 1.0)

    def read(self, keys: Ints, at: int) -> Reals:
        """Return the counts at an instant (ms) not before the last event, float64 [half-lives, keys]."""
        age = at - self._touched[keys]
        return np.asarray(self._counts[:, keys] * np.exp2(-age / self._half_lives))


def ask(visits: Visits, since_ms: int, until_ms: int, moment: Moment, horizon_ms: int = 0) -> Questions:
    """Return one question for each visit of a period (ms, the end not included) that is not its user's first.

    Args:
        visits: of all users.
        since_ms: where the period begins.
        until_ms: where it ends; an answer never reaches beyond it.
        moment: when the features are read.
        horizon_ms: how long after its instant the answer to a visit ends; 0: with the visit.
    """
    asked = np.flatnonzero((visits.at >= since_ms) & (visits.at < until_ms) & (visits.start > visits.first))
    at_visit = moment is Moment.VISIT
    return Questions(
        user=visits.user[asked],
        as_of=visits.at[asked if at_visit else asked - 1],
        known=visits.start[asked],
        first=visits.first[asked],
        visit_end=_ends(visits, asked, np.minimum(visits.at[asked] + horizon_ms, until_ms - 1)),
        inclusive=np.full(len(asked), not at_visit),
    )


def _ends(visits: Visits, asked: Ints, until: Ints) -> Ints:
    """Return one past the last event of the same user up to each of these instants."""
    # Added and not or-ed: an instant may lie before 1970.
    instants = (visits.user << USER_SHIFT) + visits.at
    last = np.searchsorted(instants, (visits.user[asked] << USER_SHIFT) + until, side="right") - 1
    return np.asarray(visits.end[np.maximum(last, asked)])


def joined(parts: list[Questions]) -> Questions:
    """Return all questions of several sets."""
    names = vars(parts[0])
    return Questions(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in names})


def recent_rows(events: Events, questions: Questions) -> Ints:
    """Return the known ones among the last 20 items of each user, int64 [Q, 20], newest first, then 0."""
    about_items = np.flatnonzero(events.signs & ITEM)
    items = np.append(events.item[about_items], 0)
    before = np.searchsorted(about_items, questions.known)
    positions = before[:, None] - 1 - np.arange(RECENT)
    there = positions >= np.searchsorted(about_items, questions.first)[:, None]
    rows = np.where(there, items[np.maximum(positions, 0)], 0)
    return np.take_along_axis(rows, np.argsort(rows == 0, axis=1, kind="stable"), axis=1)


def activity(events: Events, questions: Questions) -> Reals:
    """Return the raw user features of each question, float64 [Q, 7], in the order of `features.USER_SOURCES`.

    A session that ended, because its gap has passed by then, counts as none.
    """
    # Added and not or-ed: a window may begin before 1970.
    instants = (events.user << USER_SHIFT) + events.at
    users = questions.user << USER_SHIFT
    starts = [np.searchsorted(instants, users + window.start(questions.as_of)) for window in WINDOWS]
    counts = [questions.known - start for start in starts]
    spent = np.concatenate(([0.0], np.cumsum(events.value)))
    spend = spent[questions.known] - spent[starts[-1]]
    return np.asarray(np.stack([*counts, spend, *_session(events, questions)], axis=1), dtype=np.float64)


def _session(events: Events, questions: Questions) -> tuple[Ints, Ints, Reals]:
    """Return events, page views and seconds of each user's session; any event keeps it alive, as in the store."""
    if not len(events):
        return np.zeros(len(questions), np.int64), np.zeros(len(questions), np.int64), np.zeros(len(questions))
    begins = (np.diff(events.user, prepend=-1) != 0) | (np.diff(events.at, prepend=0) >= SESSION_GAP_MS)
    session_start = np.maximum.accumulate(np.where(begins, np.arange(len(events)), 0))
    last = questions.known - 1
    start = session_start[last]
    live = (last >= questions.first) & (questions.as_of - events.at[last] < SESSION_GAP_MS)
    pages = np.append(0, np.cumsum((events.signs & PAGE) != 0))
    seconds = (events.at[last] - events.at[start]) / 1000
    return (
        np.where(live, last - start + 1, 0),
        np.where(live, pages[questions.known] - pages[start], 0),
        np.where(live, seconds, 0.0),
    )


class Walk:
    """Replays all events in order of time and answers questions from what has been seen by then."""

    def __init__(self, events: Events, visits: Visits, categories: int, item_category: NDArray[np.int32]) -> None:
        """Prepare a walk over these events; `categories` counts the known ones."""
        self._events = events
        self._visits = visits
        self._width = categories + 1
        self._item_category = item_category.astype(np.int64)

    def answer(self, questions: Questions, choose: Choose, batch: int) -> Iterator[Examples]:
        """Yield the examples, in order of time, `batch` at a time; questions with nothing to find are left out."""
        events = self._events
        recents = recent_rows(events, questions)
        raw_user = activity(events, questions)
        self._reset()
        rows: list[_Row] = []
        for kind, position in self._timeline(questions):
            if kind == _UPDATE:
                self._see(position)
                continue
            recent = recents[position]
            outcomes = self._to_find(questions, position, recent)
            if len(outcomes.targets):
                rows.append(self._read(questions, position, recent, raw_user[position], outcomes, choose))
            if len(rows) == batch:
                yield _stacked(rows)
                rows = []
        if rows:
            yield _stacked(rows)

    def _reset(self) -> None:
        users = int(self._events.user[-1]) + 1
        self._affinity = DecayedCounts(users * self._width, features.AFFINITY_HALF_LIVES_MS)
        self._popularity = DecayedCounts(len(self._item_category), features.POPULARITY_HALF_LIVES_MS)
        self._marked = np.zeros(len(self._item_category), np.bool_)
        self._everything = np.arange(1, len(self._item_category))
        self._popular, self._popular_at = self._everything, -POPULAR_FOR_MS

    def _timeline(self, questions: Questions) -> Iterator[tuple[int, int]]:
        # At one instant: first the questions that must not see it, then its visits, then the questions that may.
        kinds = np.concatenate([np.full(len(self._visits), _UPDATE), np.where(questions.inclusive, _AFTER, _BEFORE)])
        times = np.concatenate([self._visits.at, questions.as_of])
        positions = np.concatenate([np.arange(len(self._visits)), np.arange(len(questions))])
        order = np.lexsort((kinds, times))
        order = order[times[order] <= questions.as_of.max(initial=0)]
        yield from zip(kinds[order].tolist(), positions[order].tolist(), strict=True)

    def _see(self, visit: int) -> None:
        rows = slice(self._visits.start[visit], self._visits.end[visit])
        at = int(self._visits.at[visit])
        items, categories = self._events.item[rows], self._events.category[rows]
        self._popularity.add(items[items > 0], at)
        self._affinity.add(self._keys(int(self._visits.user[visit]), categories[categories > 0]), at)

    def _keys(self, user: int, categories: Ints) -> Ints:
        return np.asarray(user * self._width + categories)

    def _to_find(self, questions: Questions, position: int, recent: Ints) -> "_Outcomes":
        rows = slice(questions.known[position], questions.visit_end[position])
        items, signs = self._events.item[rows], self._events.signs[rows]
        # Sets: for a dozen items they take a tenth of the time of np.isin.
        barred = {0, *recent.tolist()}
        found = [sorted(set(items[signs & sign > 0].tolist()) - barred) for sign in (WANTED, BOUGHT, CLICKED)]
        return _Outcomes(*(np.array(one, np.int64) for one in found))

    def _marks(self, targets: Ints, chosen: Ints) -> NDArray[np.bool_]:
        self._marked[targets] = True
        marks = self._marked[chosen]
        self._marked[targets] = False
        return marks

    def _read(
        self, questions: Questions, position: int, recent: Ints, raw_user: Reals, outcomes: "_Outcomes", choose: Choose
    ) -> "_Row":
        at = int(questions.as_of[position])
        chosen = choose(recent, self._by_popularity(at), outcomes.targets)
        keys = self._keys(int(questions.user[position]), self._item_category[chosen])
        raw = np.concatenate([self._affinity.read(keys, at), self._popularity.read(chosen, at)])
        bought, clicked = self._marks(outcomes.bought, chosen), self._marks(outcomes.clicked, chosen)
        return _Row(recent, chosen, raw_user, raw.astype(np.float32), bought, clicked, len(outcomes.targets))

    def _by_popularity(self, at: int) -> Ints:
        if at - self._popular_at >= POPULAR_FOR_MS:
            counts = self._popularity.read(self._everything, at)[-1]
            self._popular, self._popular_at = np.argsort(-counts, kind="stable") + 1, at
        return self._popular


_BEFORE, _UPDATE, _AFTER = 0, 1, 2


class _Outcomes(NamedTuple):
    targets: Ints
    bought: Ints
    clicked: Ints


@dataclass(frozen=True, eq=False)
class _Row:
    recent: Ints
    candidates: Ints
    raw_user: Reals
    raw_candidates: features.Floats  # [4, C], in the order of features.CANDIDATE_SOURCES
    bought: NDArray[np.bool_]
    clicked: NDArray[np.bool_]
    to_find: int


def _stacked(rows: list[_Row]) -> Examples:
    raw = np.stack([row.raw_candidates for row in rows], axis=1)
    return Examples(
        recent_items=np.stack([row.recent for row in rows]),
        candidates=np.stack([row.candidates for row in rows]),
        user_features=features.user_features(np.stack([row.raw_user for row in rows])),
        candidate_features=features.candidate_features(*raw),
        bought=np.stack([row.bought for row in rows]),
        clicked=np.stack([row.clicked for row in rows]),
        to_find=np.array([row.to_find for row in rows], np.int64),
    )
