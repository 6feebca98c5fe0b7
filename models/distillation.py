"""Distils the light model from the scores of the full one. Needs torch.

The light model learns the full one's softmax over the candidates of each user, not what was bought (Hinton et al.,
Distilling the knowledge in a neural network, 2015): a list of 200 scores says more than one purchase.
"""

# mypy: allow-untyped-calls
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from freshet.models.examples import Examples
from freshet.models.light import CONTEXT, FEATURES, Parameters, Traits, candidate_inputs, context_inputs

RANK = 3
EPOCHS = 30
BATCH = 128
LEARNING_RATE = 0.02
DIGITS = 5

Teacher = Callable[[Examples], NDArray[np.floating[np.generic]]]  # type: ignore[type-var]


def distil(batches: Sequence[Examples], teacher: Teacher, traits: Traits, seed: int) -> Parameters:
    """Return the light model whose lists are most like the teacher's.

    Args:
        batches: examples with the candidates that are served; what was bought is not looked at.
        teacher: scores of the candidates, [B, C].
        traits: what the light model needs of the items.
        seed: of every draw.
    """
    features, context, shares = (
        torch.cat(part) for part in zip(*(_inputs(one, teacher, traits) for one in batches), strict=True)
    )
    known = shares > 0
    centre, scale = features[known].mean(0), features[known].std(0).clamp(min=1e-6)
    features = (features - centre) / scale
    weights, left, right = _fitted(features, context, shares, seed)
    return Parameters(
        features=FEATURES,
        context=CONTEXT,
        centre=_rounded(centre),
        scale=_rounded(scale),
        weights=_rounded(weights),
        left=tuple(_rounded(row) for row in left),
        right=tuple(_rounded(row) for row in right),
    )


def _rounded(numbers: Tensor) -> tuple[float, ...]:
    return tuple(float(f"{number:.{DIGITS}g}") for number in numbers.tolist())


def _inputs(examples: Examples, teacher: Teacher, traits: Traits) -> tuple[Tensor, Tensor, Tensor]:
    features = candidate_inputs(examples.recent_items, examples.candidates, examples.candidate_features, traits)
    context = context_inputs(examples.recent_items, examples.user_features)
    scores = torch.from_numpy(np.asarray(teacher(examples), np.float32))
    parts = (torch.from_numpy(part.astype(np.float32)) for part in (features, context))
    return *parts, torch.softmax(scores, dim=1)


def _fitted(features: Tensor, context: Tensor, shares: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.zeros(features.shape[-1], requires_grad=True)
    left = (0.01 * torch.randn(features.shape[-1], RANK, generator=generator)).requires_grad_()
    right = (0.01 * torch.randn(context.shape[-1], RANK, generator=generator)).requires_grad_()
    parts = (weights, left, right)
    steps = EPOCHS * -(-len(features) // BATCH)
    optimiser = torch.optim.Adam(parts, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    padding = torch.where(shares > 0, 0.0, -1e9)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(features), generator=generator).split(BATCH):
            own = weights + (context[rows] @ right) @ left.T
            scores = torch.einsum("bcf,bf->bc", features[rows], own) + padding[rows]
            loss = -(shares[rows] * torch.log_softmax(scores, dim=1)).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return weights.detach(), left.detach(), right.detach()
