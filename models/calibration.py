"""From scores to probabilities: what share of the items that are scored so are bought, or clicked, at the next visit.

Scores of two users do not compare, so a score is first measured against the others of its user: it becomes the log of its
share among them. Platt's two numbers then turn it into log odds (Platt, Probabilistic outputs for support vector machines,
1999). They are fitted on the validation visits and judged on the test visits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freshet.models.features import Floats

Reals = NDArray[np.float64]
Marks = NDArray[np.bool_]

PADDING_BELOW = -1e8
"""A score below this stands for padding or for an item that is out of question; its probability is 0."""

BINS = 10
NEWTON_STEPS = 50
CONVERGED = 1e-10


class Platt(NamedTuple):
    """log odds = slope x log share + offset."""

    slope: float
    offset: float

    def probability(self, scores: ArrayLike) -> Floats:
        """Return the probability of each candidate, float32 [B, C], from the scores of all candidates of B users."""
        shares = log_shares(scores)
        known = np.isfinite(shares)
        odds = np.where(known, self.slope * np.where(known, shares, 0.0) + self.offset, -np.inf)
        return sigmoid(odds).astype(np.float32)


class Bin(NamedTuple):
    """Candidates of like probability: how many, what was foreseen on average, and what share it was."""

    candidates: int
    foreseen: float
    observed: float


def sigmoid(odds: ArrayLike) -> Reals:
    """Return the probability of log odds; -inf gives 0.

    >>> sigmoid([-np.inf, 0.0, 800.0])
    array([0. , 0.5, 1. ])
    """
    values = np.asarray(odds, dtype=np.float64)
    small = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1.0, small) / (1.0 + small))


def log_shares(scores: ArrayLike) -> Reals:
    """Return the log of each candidate's share among those of its user, float64 [B, C]; -inf for padding.

    >>> np.exp(log_shares([[0.0, 0.0, -1e9]]))
    array([[0.5, 0.5, 0. ]])
    """
    values = np.asarray(scores, dtype=np.float64)
    values = np.where(values > PADDING_BELOW, values, -np.inf)
    most = values.max(axis=-1, keepdims=True, initial=PADDING_BELOW)
    total = np.exp(values - most).sum(axis=-1, keepdims=True)
    return np.asarray(values - most - np.log(np.maximum(total, np.finfo(np.float64).tiny)))


def fit_platt(scores: ArrayLike, happened: Marks) -> Platt:
    """Return the numbers under which what happened is likeliest, by Newton's method.

    Platt's own targets keep them finite where all is foreseen: (n + 1) / (n + 2) for the n that happened, 1 / (m + 2) for
    the m that did not.

    Args:
        scores: [B, C], as the ranker gives them.
        happened: bool [B, C].
    """
    shares = log_shares(scores)
    known = np.isfinite(shares)
    x, hit = shares[known], happened[known]
    hits = int(hit.sum())
    targets = np.where(hit, (hits + 1) / (hits + 2), 1 / (len(hit) - hits + 2))
    design = np.stack([x, np.ones_like(x)])
    numbers = np.array([1.0, 0.0])
    for _ in range(NEWTON_STEPS):
        foreseen = sigmoid(numbers @ design)
        slope = design @ (foreseen - targets)
        curvature = (design * (foreseen * (1.0 - foreseen))) @ design.T + 1e-9 * np.eye(2)
        step = np.clip(np.linalg.solve(curvature, slope), -1.0, 1.0)  # far from the best Newton's step leads too far
        numbers -= step
        if np.abs(step).max() < CONVERGED:
            break
    return Platt(float(numbers[0]), float(numbers[1]))


def reliability(foreseen: ArrayLike, happened: Marks, bins: int = BINS) -> tuple[Bin, ...]:
    """Return the candidates in so many groups of like size, the least likely first; fewer where there are few.

    Args:
        foreseen: [N], probabilities.
        happened: bool [N].
        bins: how many groups.
    """
    values = np.asarray(foreseen, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return tuple(Bin(len(part), float(values[part].mean()), float(happened[part].mean())) for part in parts)


def calibration_error(groups: tuple[Bin, ...]) -> float:
    """Return the expected calibration error: the mean over candidates of |foreseen - observed| of their group.

    >>> calibration_error((Bin(3, 0.1, 0.2), Bin(1, 0.5, 0.5)))
    0.075
    """
    total = sum(group.candidates for group in groups)
    return sum(group.candidates * abs(group.foreseen - group.observed) for group in groups) / max(total, 1)


def log_loss(foreseen: ArrayLike, happened: Marks) -> float:
    """Return the mean of -log of the probability of what came about.

    >>> round(log_loss([0.5, 0.25], np.array([True, False])), 4)
    0.4904
    """
    values = np.clip(np.asarray(foreseen, dtype=np.float64), 1e-12, 1 - 1e-12)
    return float(-np.where(happened, np.log(values), np.log1p(-values)).mean())
