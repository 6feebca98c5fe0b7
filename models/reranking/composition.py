"""The score that orders the candidates before any rule, in log-odds or another logarithm of worth: rules add to it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from freshet.models.reranking.config import Score
from freshet.models.reranking.pool import Pool

LEAST_REWARD = 1e-9
"""What an expected reward of 0 or less counts as: the logarithm has to be a number."""


def composed(pool: Pool, rules: Score) -> NDArray[np.float64] | None:
    """Return log(reward x probability x decay x relevance), float64 [n]; None where the pool has no rewarded outcome.

    The reward x probability is a sum over outcomes, each worth something of its own in a scene; the decay is `step_decay`
    to the power of the age in events; each of the three factors has an exponent. What the pool does not tell counts as 1.
    """
    if rules.how == "model" or not pool.probabilities.keys() & rules.rewards.keys():
        return None
    reward = np.zeros(len(pool))
    for outcome, worth in rules.rewards.items():
        if outcome in pool.probabilities:
            reward += worth * pool.probabilities[outcome]
    value = rules.probability * np.log(at_least(reward, LEAST_REWARD))
    if pool.steps is not None:
        value += rules.decay * np.log(rules.step_decay) * at_least(pool.steps, 0.0)
    if pool.relevance is not None:
        value += rules.relevance * np.log(at_least(pool.relevance, rules.least_relevance))
    return value


def at_least(values: NDArray[np.floating[Any]], least: float) -> NDArray[np.float64]:
    """Return the values, float64 [n], with those that are below `least`, or no number, raised to it."""
    return np.fmax(values.astype(np.float64), least)
