"""Ranks the candidates of a batch of users: the model's score, plus what the sources say, each part kept to explain it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freshet.models.affinity import Affinities
from freshet.models.features import RECENT, Floats, candidate_features, user_features
from freshet.models.merge import Merged
from freshet.models.popularity import Popularity
from freshet.models.profiles import Profile
from freshet.models.tiers import TieredScorer
from freshet.models.user_state import Ints

NO_MODEL = "light"
"""The tier of lists that the sources alone have ranked."""


@dataclass(frozen=True, eq=False)
class Stand:
    """What the model knows of items, as it stands when a batch is ranked.

    Attributes:
        proxies: gives the model's items that stand for items: themselves where the model knows them, 0 where none does.
        categories: int32 [V + 1], the model's category of each of its items.
        popularity: the items' counts.
    """

    proxies: Callable[[Ints], Ints]
    categories: NDArray[np.int32]
    popularity: Popularity


@dataclass(frozen=True, eq=False)
class Ranked:
    """The candidates of the B users of a batch with their scores.

    Attributes:
        merged: the candidates.
        model: float32 [B, k], what the model says; zeros where no tier of it could.
        scores: float32 [B, k], the model's and the sources' together.
        tier: who scored.
    """

    merged: Merged
    model: Floats
    scores: Floats
    tier: str


class Ranker:
    """Ranks with one scoring call for the whole batch. For one thread."""

    def __init__(self, scorer: TieredScorer, affinities: Affinities, stand: Callable[[], Stand]) -> None:
        """Take the model, where affinities are read, and what tells how items stand."""
        self.scorer = scorer
        self._affinities = affinities
        self._stand = stand

    def rank(self, profiles: Sequence[Profile], latest: Ints, merged: Merged) -> Ranked:
        """Return the candidates with their scores.

        Args:
            profiles: of the users.
            latest: int64 [B, n], the latest items of each, newest first, 0 behind the last.
            merged: the candidates.

        Raises:
            redis.RedisError: the store did not answer.
        """
        stand = self._stand()
        known = stand.proxies(merged.items)
        recents = to_the_front(stand.proxies(latest), RECENT)
        features = self._candidate_features(profiles, merged.items, stand.categories[known], stand)
        users = user_features(np.array([profile.user for profile in profiles]))
        found = self.scorer.scored(recents, known, users, features)
        scores = found.scores if found else np.zeros(known.shape, np.float32)
        if not (there := known > 0).all():
            # An item that is like none that the model knows has no score: the lowest of the others is as good as any.
            lowest = np.where(there, scores, np.inf).min(axis=1, keepdims=True, initial=0.0)
            scores = np.where(there, scores, lowest).astype(np.float32)
        return Ranked(merged, scores, scores + merged.scores.sum(axis=0), found.tier if found else NO_MODEL)

    def _candidate_features(
        self, profiles: Sequence[Profile], candidates: Ints, kinds: NDArray[np.int32], stand: Stand
    ) -> Floats:
        as_of = np.array([profile.version.as_of for profile in profiles], np.int64)
        users = [(profile.update.subject, profile.categories) for profile in profiles]
        affinities = self._affinities.of(users, as_of, kinds)
        counts = stand.popularity.of(candidates, as_of)
        return candidate_features(affinities[..., 0], affinities[..., 1], counts[..., 0], counts[..., 1])


def to_the_front(items: Ints, width: int) -> Ints:
    """Return the first items of each row that are not 0, int64 [B, width]; 0 fills up.

    >>> to_the_front(np.array([[4, 0, 2, 9], [0, 7, 0, 0]]), 3)
    array([[4, 2, 9],
           [7, 0, 0]])
    """
    order = np.argsort(items == 0, axis=1, kind="stable")[:, :width]
    found = np.take_along_axis(items, order, axis=1)
    return np.pad(found, ((0, 0), (0, width - found.shape[1])))
