"""Ranks the candidates of a batch of users: the model's score, plus what the sources say, each part kept to explain it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freshet.models.affinity import Affinities
from freshet.models.features import Floats, candidate_features, recent_items, user_features
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
    """The candidates of one user with their scores.

    Attributes:
        merged: the candidates.
        model: float32 [n], what the model says; zeros where no tier of it could.
        scores: float32 [n], the model's and the sources' together.
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

    def rank(self, profiles: Sequence[Profile], pools: Sequence[Merged], width: int) -> list[Ranked]:
        """Return each user's candidates with their scores.

        Args:
            profiles: of the users.
            pools: the candidates of each, at most `width`.
            width: candidates of a row of the model's input.

        Raises:
            redis.RedisError: the store did not answer.
        """
        stand = self._stand()
        candidates = padded([pool.items for pool in pools], width)
        known = stand.proxies(candidates)
        recents = np.stack([recent_items(_scorable(profile.state.items, stand).tolist()) for profile in profiles])
        features = self._candidate_features(profiles, candidates, stand.categories[known], stand)
        users = user_features(np.array([profile.user for profile in profiles]))
        found = self.scorer.scored(recents, known, users, features)
        scores = found.scores if found else np.zeros(candidates.shape, np.float32)
        # An item that is like none that the model knows has no score: the lowest of the others is as good as any.
        scores = np.where(
            known > 0, scores, np.where(known > 0, scores, np.inf).min(axis=1, keepdims=True, initial=0.0)
        )
        tier = found.tier if found else NO_MODEL
        return [_ranked(pool, row[: len(pool.items)], tier) for pool, row in zip(pools, scores, strict=True)]

    def _candidate_features(
        self, profiles: Sequence[Profile], candidates: Ints, kinds: NDArray[np.int32], stand: Stand
    ) -> Floats:
        as_of = np.array([profile.version.as_of for profile in profiles], np.int64)
        users = [(profile.update.subject, profile.categories) for profile in profiles]
        affinities = self._affinities.of(users, as_of, kinds)
        counts = stand.popularity.of(candidates, as_of)
        return candidate_features(affinities[..., 0], affinities[..., 1], counts[..., 0], counts[..., 1])


def _ranked(pool: Merged, model: Floats, tier: str) -> Ranked:
    model = model.astype(np.float32, copy=False)
    return Ranked(pool, model, model + pool.scores.sum(axis=0), tier)


def _scorable(items: Ints, stand: Stand) -> Ints:
    known = stand.proxies(items)
    return known[known > 0]


def padded(rows: Sequence[Ints], width: int) -> Ints:
    """Return rows of different lengths as one array, int64 [B, width]; 0 fills up.

    >>> padded([np.array([4, 2]), np.array([7])], 3)
    array([[4, 2, 0],
           [7, 0, 0]])
    """
    batch = np.zeros((len(rows), width), np.int64)
    for row, items in zip(batch, rows, strict=True):
        kept = items[:width]
        row[: len(kept)] = kept
    return batch
