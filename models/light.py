"""The light tier: a few hundred bytes that rank much as the full model does, in plain numpy, without ONNX Runtime.

A factorisation machine (Rendle, ICDM 2010) of which only what moves a ranking is kept: each feature of a candidate, and its
products with the user's context. So each user has weights of his own, w + P Q' c, and a score is their product with the
candidate's features. Its numbers are distilled from the full model's scores (`distillation.py`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from freshet.models.candidates import CovisitTable, covisit_scores
from freshet.models.features import CANDIDATE_FEATURES, CANDIDATE_WIDTH, RECENT, USER_FEATURES, USER_WIDTH, Floats

Ints = NDArray[np.int64]

TIER = "light"

PADDING_SCORE = -1e9

FEATURES = (*CANDIDATE_FEATURES, "log(covisit)", "is_covisit", "log(rank)", "category_share", "log1p(category_rank)")
"""What is known of a candidate: the full model's features, and what its item and the user's recent items give."""

CONTEXT = ("1", *USER_FEATURES, "recent_items")
"""What is known of the user: a one, the full model's features, and the part of the 20 recent items that is filled."""

LEAST_COVISIT = 1e-4
"""A co-visit score of this size is worth no more than none."""


class Parameters(BaseModel):
    """What `light.json` holds.

    Attributes:
        features, context: names, in order; another order is another model.
        centre, scale: of each feature: (x - centre) / scale is what the weights are for.
        weights: of each feature.
        left: [features, k], right: [context, k]: their product is what each context adds to each weight.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    features: tuple[str, ...]
    context: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    left: tuple[tuple[float, ...], ...]
    right: tuple[tuple[float, ...], ...]

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        path.write_text(self.model_dump_json() + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Parameters":
        """Read them back.

        Raises:
            ValueError: the file is not what `write` writes, or is of other features than this code makes.
        """
        try:
            found = cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise ValueError(f"{path.name} is no light model: {error.errors()[0]['msg']}") from None
        rank = len(found.left[0]) if found.left else 0
        lengths = [len(one) for one in (found.centre, found.scale, found.weights, found.left)]
        square = lengths == [len(FEATURES)] * 4 and len(found.right) == len(CONTEXT)
        if not square or any(len(row) != rank for row in (*found.left, *found.right)) or 0.0 in found.scale:
            raise ValueError(f"{path.name} has not the numbers that its features need")
        if (found.features, found.context) != (FEATURES, CONTEXT):
            raise ValueError(f"{path.name} is of other features than this version makes")
        return found


@dataclass(frozen=True, eq=False)
class Traits:
    """What the light model needs of the items beside the features.

    Attributes:
        covisits: the neighbours of each item.
        category: int32 [V + 1], the category of each item; 0 for none.
        category_rank: float64 [V + 1], how many items of its category are bought more than the item.
    """

    covisits: CovisitTable
    category: NDArray[np.int32]
    category_rank: NDArray[np.float64]

    @classmethod
    def of(cls, covisits: CovisitTable, category: NDArray[np.int32]) -> "Traits":
        """Return the traits of a vocabulary's items, which stand in order of how often they are bought."""
        rank = np.zeros(len(category))
        order = np.argsort(category, kind="stable")
        starts = np.flatnonzero(np.diff(category[order], prepend=-1))
        rank[order] = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
        return cls(covisits, category, rank)


class LightModel:
    """Scores candidates from the inputs of the full model. Safe to call from several threads."""

    tier = TIER
    provider = "numpy"

    def __init__(self, parameters: Parameters, traits: Traits, version: str) -> None:
        self.version = version
        self._traits = traits
        self._centre, self._scale = np.array(parameters.centre), np.array(parameters.scale)
        self._weights = np.array(parameters.weights)
        self._left, self._right = np.array(parameters.left), np.array(parameters.right)

    def score(self, recent_items: Ints, candidates: Ints, user_features: Floats, candidate_features: Floats) -> Floats:
        """Return one score a candidate, float32 [B, C]; always numbers, -1e9 for padding and for items not known.

        What the full model refuses is mended here: a feature that is no number counts as 0, an index of no item as
        padding.

        Raises:
            ValueError: the shapes are not those that `OnnxScorer.score` takes.
        """
        check_shapes(recent_items, candidates, user_features, candidate_features)
        size = self._traits.covisits.size
        recent, chosen = (np.where((one > 0) & (one < size), one, 0) for one in (recent_items, candidates))
        user, candidate = (
            np.nan_to_num(one, nan=0.0, posinf=0.0, neginf=0.0) for one in (user_features, candidate_features)
        )
        features = (candidate_inputs(recent, chosen, candidate, self._traits) - self._centre) / self._scale
        weights = self._weights + (context_inputs(recent, user) @ self._right) @ self._left.T
        scores = np.einsum("bcf,bf->bc", features, weights)
        return np.where(chosen > 0, np.clip(scores, -1e6, 1e6), PADDING_SCORE).astype(np.float32)


def check_shapes(recent_items: Ints, candidates: Ints, user_features: Floats, candidate_features: Floats) -> None:
    """Refuse inputs whose shapes do not fit each other.

    Raises:
        ValueError: they do not.
    """
    users, *rest = candidates.shape if candidates.ndim == 2 else (-1,)
    found = tuple(one.shape for one in (recent_items, user_features, candidate_features))
    wanted = ((users, RECENT), (users, USER_WIDTH), (users, *rest, CANDIDATE_WIDTH))
    if users < 0 or found != wanted:
        raise ValueError(f"the inputs have shapes {candidates.shape}, {found}")


def candidate_inputs(recent: Ints, chosen: Ints, candidate_features: Floats, traits: Traits) -> NDArray[np.float64]:
    """Return what is known of each candidate, float64 [B, C, F], in the order of `FEATURES`."""
    features = np.empty((*chosen.shape, len(FEATURES)))
    features[..., :CANDIDATE_WIDTH] = candidate_features
    totals = np.stack([covisit_scores(row, traits.covisits) for row in recent]) if len(recent) else np.zeros((0, 1))
    scores = np.take_along_axis(totals, chosen, axis=1)
    features[..., CANDIDATE_WIDTH] = np.log(np.maximum(scores, LEAST_COVISIT) / LEAST_COVISIT)
    features[..., CANDIDATE_WIDTH + 1] = scores > 0
    features[..., CANDIDATE_WIDTH + 2] = np.log(np.maximum(chosen, 1))
    features[..., CANDIDATE_WIDTH + 3] = category_shares(recent, chosen, traits.category)
    features[..., CANDIDATE_WIDTH + 4] = np.log1p(traits.category_rank[chosen])
    return features


def category_shares(recent: Ints, chosen: Ints, category: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the share of each user's recent items that is of the candidate's category, float64 [B, C]."""
    users, width = len(recent), int(category.max(initial=0)) + 1
    keys = np.arange(users)[:, None] * width
    counts = np.bincount((keys + category[recent]).ravel(), minlength=users * width).reshape(users, width)
    counts[:, 0] = 0
    return np.take_along_axis(counts, category[chosen].astype(np.int64), axis=1) / RECENT


def context_inputs(recent: Ints, user_features: Floats) -> NDArray[np.float64]:
    """Return what is known of each user, float64 [B, K], in the order of `CONTEXT`."""
    filled = (recent > 0).mean(axis=1, keepdims=True)
    return np.concatenate([np.ones((len(recent), 1)), user_features, filled], axis=1)
