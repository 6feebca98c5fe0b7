"""What the recommender is held to, and what a peer is: something that learns each event and can score every item.

Here are the peers that are a few lines of arithmetic. They are strong: what changes with each event beats a better
model of yesterday. Those of other libraries are in `libraries.py`.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from movielens import Floats
from numpy.typing import NDArray

from freshet.models.prequential import Listed, Model
from freshet.models.recommender import Event

Scores = NDArray[np.floating]


class Peer(Protocol):
    """Learns from a stream of events, and scores all items for a user."""

    def scores(self, user: int) -> Scores:
        """Return the scores of all items for a user: [V], larger is better."""

    def learn(self, user: int, item: int) -> None:
        """Take in an event."""


class Popularity:
    """Scores an item by its events, each worth half as much after a number of further events."""

    def __init__(self, vocabulary: int, half_life: float = np.inf) -> None:
        self._counts = np.zeros(vocabulary)
        self._growth, self._worth = 2 ** (1 / half_life), 1.0

    def scores(self, user: int) -> Floats:
        """See `Peer`."""
        return self._counts

    def learn(self, user: int, item: int) -> None:
        """See `Peer`."""
        self._counts[item] += self._worth
        self._worth *= self._growth
        if self._worth > 1e100:
            self._counts /= self._worth
            self._worth = 1.0


class Remembering:
    """Keeps what each user has had, and scores by popularity for who has had nothing.

    A history is always the newest. What is learnt from it may be taken in later, a number of events at a time.
    """

    def __init__(self, vocabulary: int, last: int | None = None, every: int = 1) -> None:
        self._popular = Popularity(vocabulary)
        self._histories: dict[int, list[int]] = defaultdict(list)
        self._last, self._every = last, every
        self._waiting: list[tuple[int, list[int], int]] = []

    def scores(self, user: int) -> Scores:
        """See `Peer`."""
        history = self._histories.get(user)
        return self.for_history(user, self.latest(history)) if history else self._popular.scores(user)

    def learn(self, user: int, item: int) -> None:
        """See `Peer`."""
        history = self._histories[user]
        self._waiting.append((user, history.copy(), item))
        history.append(item)
        if len(self._waiting) >= self._every:
            for waited in self._waiting:
                self.take_in(*waited)
            self._waiting.clear()
        self._popular.learn(user, item)

    def for_history(self, user: int, latest: Sequence[int]) -> Scores:
        """Return the scores of all items after the user's latest items, the newest at the end: [V]."""
        raise NotImplementedError

    def take_in(self, user: int, history: Sequence[int], item: int) -> None:
        """Learn that an item came after a history."""

    def latest(self, history: Sequence[int]) -> Sequence[int]:
        """Return the items of a history that are asked with, the newest at the end."""
        return history[-self._last :] if self._last else history


class ItemCosine(Remembering):
    """Sums the cosines between an item's users and those of the user's last items."""

    def __init__(self, vocabulary: int, last: int, every: int = 1) -> None:
        super().__init__(vocabulary, last, every)
        self._both = np.zeros((vocabulary, vocabulary))
        self._norms = np.ones(vocabulary)
        self._counts = np.zeros(vocabulary)

    def for_history(self, user: int, latest: Sequence[int]) -> Floats:
        """See `Remembering`."""
        return np.asarray(self._norms[latest] @ self._both[latest] * self._norms)

    def take_in(self, user: int, history: Sequence[int], item: int) -> None:
        """See `Remembering`."""
        self._both[item, history] += 1
        self._both[history, item] += 1
        self._counts[item] += 1
        self._norms[item] = self._counts[item] ** -0.5


class SequentialRules(Remembering):
    """Counts what came after an item, by one over the gap, and asks so for the user's last items.

    Source: Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018.
    """

    def __init__(self, vocabulary: int, last: int, every: int = 1) -> None:
        super().__init__(vocabulary, last, every)
        self._after = np.zeros((vocabulary, vocabulary))
        self._gaps = 1 / np.arange(1, last + 1)

    def for_history(self, user: int, latest: Sequence[int]) -> Floats:
        """See `Remembering`."""
        return np.asarray(self._gaps[: len(latest)] @ self._after[latest[::-1]])

    def take_in(self, user: int, history: Sequence[int], item: int) -> None:
        """See `Remembering`."""
        latest = self.latest(history)[::-1]
        self._after[latest, item] += self._gaps[: len(latest)]


class UserNeighbours(Remembering):
    """Lets the users vote who share the user's last items, the newest of which weigh most.

    Source: V-SKNN, Ludewig and Jannach, UMUAI 2018, with the whole of a user's history as one session.
    """

    def __init__(self, vocabulary: int, last: int, neighbours: int, crowd: int) -> None:
        super().__init__(vocabulary, last)
        self._had = np.zeros((crowd, vocabulary), np.float32)
        self._sizes = np.zeros(crowd)
        self._neighbours = neighbours

    def for_history(self, user: int, latest: Sequence[int]) -> Scores:
        """See `Remembering`."""
        recency = np.arange(1, len(latest) + 1, dtype=np.float32) / len(latest)
        shared = self._had[:, latest] @ recency / np.sqrt(self._sizes + 1)
        shared[user] = 0
        nearest = np.argpartition(-shared, self._neighbours)[: self._neighbours]
        return np.asarray(shared[nearest].astype(np.float32) @ self._had[nearest])

    def take_in(self, user: int, history: Sequence[int], item: int) -> None:
        """See `Remembering`."""
        self._had[user, item] = 1
        self._sizes[user] += 1


class Sum:
    """Adds the scores of peers, those of each by its largest."""

    def __init__(self, *peers: Peer) -> None:
        self._peers = peers

    def scores(self, user: int) -> Scores:
        """See `Peer`."""
        scores = [peer.scores(user) for peer in self._peers]
        return np.asarray(sum(one / max(one.max(), 1e-9) for one in scores))

    def learn(self, user: int, item: int) -> None:
        """See `Peer`."""
        for peer in self._peers:
            peer.learn(user, item)


class Shown(NamedTuple):
    """An item of a list."""

    item: str


class Lists:
    """Makes a peer what a walk takes: lists the items of the largest scores, of those seen and not had by the user.

    Equal scores are in random order.
    """

    def __init__(self, peer: Peer, vocabulary: int) -> None:
        self._peer = peer
        self._names = [Shown(str(code)) for code in range(vocabulary)]
        self._unseen = np.ones(vocabulary, np.bool_)
        self._had: dict[int, list[int]] = defaultdict(list)
        self._random = np.random.default_rng(0)

    def update(self, event: Event) -> None:
        """Learn from an event."""
        user, item = int(event.user), int(event.item)
        self._peer.learn(user, item)
        self._unseen[item] = False
        self._had[user].append(item)

    def recommend(self, user: str, k: int, *, now_ms: int) -> list[Shown]:
        """Return k items, the best first."""
        scores = np.where(self._unseen, -np.inf, self._peer.scores(int(user)))
        scores[self._had[int(user)]] = -np.inf
        shuffled = self._random.permutation(len(scores))
        there = scores[shuffled]
        best = np.argpartition(-there, k)[:k]
        order = best[np.argsort(-there[best], kind="stable")]
        return [self._names[item] for item in shuffled[order].tolist() if np.isfinite(scores[item])]


class Stale:
    """A model that learns late: all events of a while at once, as one does that is refreshed by a batch.

    What the user has had is left out of its lists all the same.
    """

    def __init__(self, model: Model, every: int) -> None:
        self._model, self._every = model, every
        self._waiting: list[Event] = []
        self._had: dict[str, set[str]] = defaultdict(set)

    def update(self, event: Event) -> None:
        """Learn from an event some time."""
        self._waiting.append(event)
        self._had[event.user].add(event.item)
        if len(self._waiting) == self._every:
            for waited in self._waiting:
                self._model.update(waited)
            self._waiting.clear()

    def recommend(self, user: str, k: int, *, now_ms: int) -> list[Listed]:
        """Return at most k items, the best first."""
        had = self._had[user]
        listed = self._model.recommend(user, k + len(had), now_ms=now_ms)
        return [one for one in listed if one.item not in had][:k]
