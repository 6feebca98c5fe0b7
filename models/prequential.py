"""Tests a recommender on a stream of events as it would live through it: it predicts each event, then learns it.

Ties are safe: the events of one user in one second are predicted as a whole before any of them is learnt, in an order drawn
at random; a rating of a page of films says nothing of their order. All items seen so far are ranked, none is sampled. An
item of a tie group is ranked without the other items of the group: they are no mistakes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from freshet.models.bootstrap import sums_of_draws
from freshet.models.recommender import Event
from freshet.models.user_state import Ints

Reals = NDArray[np.float64]
Report = Callable[[int, int], None]
"""Called with how many events are done, and how many there are."""

DEPTH = 20
SHOWN = 10
SECOND_MS = 1_000


class Listed(Protocol):
    """An item of a list."""

    @property
    def item(self) -> str:
        """Its name."""


class Model(Protocol):
    """What can be tested: `Recommender`, or a peer in its clothes."""

    def update(self, event: Event, /) -> None:
        """Learn from an event."""

    def recommend(self, user: str, k: int, /, *, now_ms: int) -> Sequence[Listed]:
        """Return at most k items, the best first."""


@dataclass(frozen=True, eq=False)
class Log:
    """Events of many users.

    Attributes:
        users: int64 [n], codes of users or sessions.
        items: int64 [n], codes of items.
        times: int64 [n], ms.
        weights: float64 [n].
        user_names: by code.
        item_names: by code.
    """

    users: Ints
    items: Ints
    times: Ints
    weights: Reals
    user_names: Sequence[str]
    item_names: Sequence[str]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.users)

    def event(self, at: int) -> Event:
        """Return one event."""
        user, item = self.user_names[self.users[at]], self.item_names[self.items[at]]
        return Event(user, item, int(self.times[at]), float(self.weights[at]))

    def reordered(self, order: NDArray[np.intp]) -> "Log":
        """Return the events in another order."""
        parts = (self.users[order], self.items[order], self.times[order], self.weights[order])
        return Log(*parts, self.user_names, self.item_names)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was predicted.

    Attributes:
        places: int64 [n], position of each predicted event in the order in which they were walked.
        users: int64 [n], codes.
        ranks: int64 [n], from 1; 0 where the item was not among the first `DEPTH`.
        is_cold: bool [n], whether the user had had nothing before.
        shown: the first ten items of each list, as codes, for users who had had something.
        seen: items that the stream has shown in the end.
    """

    places: Ints
    users: Ints
    ranks: Ints
    is_cold: NDArray[np.bool_]
    shown: Sequence[Sequence[int]]
    seen: int

    @property
    def warm(self) -> Ints:
        """Ranks for users with a history."""
        return self.ranks[~self.is_cold]

    @property
    def cold(self) -> Ints:
        """Ranks of the first tie groups of users."""
        return self.ranks[self.is_cold]

    @property
    def coverage(self) -> float:
        """Part of the items that were among the ten of any list."""
        return len({item for one in self.shown for item in one}) / max(self.seen, 1)


class Metrics(NamedTuple):
    """Means over predictions, each of one item: hit rate, NDCG and reciprocal rank of the first `k`."""

    k: int
    predictions: int
    hr: float
    ndcg: float
    mrr: float


def metrics(ranks: Ints, k: int) -> Metrics:
    """Return the means over predictions.

    >>> metrics(np.array([1, 3, 0, 12]), 10)
    Metrics(k=10, predictions=4, hr=0.5, ndcg=0.375, mrr=0.3333333333333333)
    """
    n = max(len(ranks), 1)
    hit = ranks[(ranks >= 1) & (ranks <= k)].astype(np.float64)
    return Metrics(k, len(ranks), len(hit) / n, float((1 / np.log2(hit + 1)).sum()) / n, float((1 / hit).sum()) / n)


def gains(ranks: Ints, k: int = 10) -> Reals:
    """Return what each prediction adds to NDCG@k, float64 [n]."""
    there = (ranks >= 1) & (ranks <= k)
    return np.where(there, 1 / np.log2(np.maximum(ranks, 1) + 1.0), 0.0)


class Lift(NamedTuple):
    """How much larger one mean is than another: the ratio less 1, the difference, and its 95 % interval."""

    ratio: float
    difference: float
    low: float
    high: float


def lift(ours: Reals, theirs: Reals, users: Ints, draws: int = 2_000, seed: int = 0) -> Lift:
    """Return the lift by a paired bootstrap over users: whole users are drawn, since their predictions go together.

    Args:
        ours: float64 [n], a gain for each prediction.
        theirs: float64 [n], for the same predictions.
        users: int64 [n], whose prediction each is.
        draws: of as many users as there are, with replacement.
        seed: of the draws.
    """
    differences, sizes = sums_of_draws(users, (ours - theirs, np.ones(len(ours))), draws, seed).T
    low, high = np.quantile(differences / sizes, (0.025, 0.975))
    base = float(theirs.mean())
    difference = float(ours.mean()) - base
    return Lift(difference / base if base else float("inf"), difference, float(low), float(high))


def in_tie_groups(log: Log, seed: int) -> tuple[Log, Ints]:
    """Return the events in order of time, ties shuffled, and where each tie group begins, with the end at last.

    The events of a user in one second stand together, where the first of them fell.
    """
    random = np.random.default_rng(seed)
    seconds = log.times // SECOND_MS
    order = np.lexsort((random.random(len(log)), seconds))
    pairs = np.stack((seconds[order], log.users[order]), axis=1)
    _, first, group = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    stands_at = first[group.reshape(-1)]
    together = np.argsort(stands_at, kind="stable")
    starts = np.flatnonzero(np.diff(stands_at[together], prepend=-1))
    return log.reordered(order[together]), np.append(starts, len(log)).astype(np.int64)


def prequential(
    model: Model,
    log: Log,
    *,
    warm_up: int,
    seed: int = 0,
    repeats: bool = False,
    predictions: int | None = None,
    report: Report = lambda done, of: None,
) -> Outcome:
    """Let a model predict each event before it learns it.

    Args:
        model: with nothing learnt.
        log: the events.
        warm_up: events that are learnt before anything is predicted.
        seed: of the order of ties.
        repeats: whether what the user has had before is to be predicted too; if not, such events are only learnt.
        predictions: about so many events are predicted, tie groups evenly over the stream; all if None.
        report: is told of the progress.
    """
    walked, starts = in_tie_groups(log, seed)
    every = 1 if predictions is None else max(1, round((len(log) - warm_up) / predictions))
    tally = _Tally(repeats=repeats)
    for group, (begin, end) in enumerate(pairwise(starts.tolist())):
        if begin >= warm_up and group % every == 0:
            tally.predict(model, walked, begin, end)
        for at in range(begin, end):
            model.update(walked.event(at))
        tally.take(walked, begin, end)
        if group % 256 == 0:
            report(end, len(log))
    return tally.outcome()


def held_out(
    model: Model,
    log: Log,
    *,
    test_share: float = 0.2,
    repeats: bool = False,
    predictions: int | None = None,
    report: Report = lambda done, of: None,
) -> Outcome:
    """Let a model predict the last item of the latest sessions from the items before it.

    All events are learnt as time goes, but for the last ones of the test sessions, which are never learnt.

    Args:
        model: with nothing learnt.
        log: the events; `users` tells the sessions.
        test_share: part of the sessions, those that end last, that are tested.
        repeats: whether a last item that the session has had before is to be predicted too.
        predictions: about so many sessions are tested, evenly over them; all if None.
        report: is told of the progress.
    """
    walked = log.reordered(np.argsort(log.times, kind="stable"))
    is_last = _last_of_test_sessions(walked, test_share)
    asked = np.flatnonzero(is_last)
    every = 1 if predictions is None else max(1, round(len(asked) / predictions))
    predicted = set(asked[::every].tolist())
    tally = _Tally(repeats=repeats)
    for at in range(len(walked)):
        if is_last[at]:
            if at in predicted:
                tally.predict(model, walked, at, at + 1)
        else:
            model.update(walked.event(at))
            tally.take(walked, at, at + 1)
        if at % 1024 == 0:
            report(at, len(walked))
    return tally.outcome()


def _last_of_test_sessions(log: Log, share: float) -> NDArray[np.bool_]:
    last = np.full(len(log.user_names), -1, np.int64)
    last[log.users] = np.arange(len(log))
    sizes = np.bincount(log.users, minlength=len(last))
    ends = np.sort(last[sizes > 0])
    first_tested = ends[int(len(ends) * (1 - share))] if len(ends) else 0
    is_last = np.zeros(len(log), np.bool_)
    is_last[last[(sizes > 1) & (last >= first_tested)]] = True
    return is_last


class _Tally:
    """Keeps what users have had, and what became of the predictions."""

    def __init__(self, *, repeats: bool) -> None:
        self._repeats = repeats
        self._had: dict[int, set[int]] = {}
        self._seen: set[int] = set()
        self._rows: list[tuple[int, int, int, bool]] = []
        self._shown: list[list[int]] = []
        self._codes: dict[str, int] = {}

    def predict(self, model: Model, log: Log, begin: int, end: int) -> None:
        """Ask for a list for the user of a tie group, and find the group's items in it."""
        user = int(log.users[begin])
        had = self._had.get(user, set())
        targets = log.items[begin:end].tolist()
        wanted = [(at, item) for at, item in enumerate(targets, begin) if self._repeats or item not in had]
        if not wanted:
            return
        name, now_ms = log.user_names[user], int(log.times[begin])
        listed = [one.item for one in model.recommend(name, DEPTH + len(set(targets)) - 1, now_ms=now_ms)]
        others = {log.item_names[item] for _, item in wanted}
        for at, item in wanted:
            self._rows.append((at, user, rank_without(listed, log.item_names[item], others), not had))
        if had:
            self._shown.append([self._code(one, log) for one in listed[:SHOWN]])

    def take(self, log: Log, begin: int, end: int) -> None:
        """Note what a user has had."""
        items = log.items[begin:end].tolist()
        self._had.setdefault(int(log.users[begin]), set()).update(items)
        self._seen.update(items)

    def outcome(self) -> Outcome:
        """Return what was predicted."""
        rows = np.array(self._rows, np.int64).reshape(-1, 4)
        return Outcome(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3].astype(np.bool_), self._shown, len(self._seen))

    def _code(self, item: str, log: Log) -> int:
        if not self._codes:
            self._codes = {name: code for code, name in enumerate(log.item_names)}
        return self._codes[item]


def rank_without(listed: Sequence[str], item: str, others: set[str]) -> int:
    """Return the place of an item in a list without others, from 1; 0 where it is not among the first `DEPTH`.

    >>> rank_without(["a", "b", "c"], "c", others={"a", "c"})
    2
    """
    if item not in listed:
        return 0
    above = listed[: listed.index(item)]
    rank = 1 + len(above) - sum(one in others for one in above)
    return rank if rank <= DEPTH else 0
