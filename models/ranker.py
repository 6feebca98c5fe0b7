"""The full model: attention of each candidate over the user's recent items, then a small network. Needs torch.

It is of the DIN type (Zhou et al., Deep Interest Network, KDD 2018): a candidate is compared with each recent item,
which then counts by how much it has to do with that candidate. The weights are sigmoids, not a softmax: a strong
interest stays stronger than a weak one. Nothing is learnt about one user: a new one is scored like any other.
"""

# mypy: allow-subclassing-any, allow-untyped-calls
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from freshet.models.features import CANDIDATE_WIDTH, RECENT, USER_WIDTH

PADDING_SCORE = -1e9
"""Score of a padding candidate: finite, and below any other."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; the three counts are one more than the highest index."""

    items: int
    categories: int
    kinds: int
    width: int = 32
    hidden: tuple[int, int] = (64, 32)


class ItemTable(nn.Module):
    """The vector of each item: its own, plus those of its category and its product type.

    An item that was bought seldom leans on what it is. `folded` adds the three up once: serving pays for one look-up.
    """

    def __init__(self, shape: Shape, category: Tensor, kind: Tensor) -> None:
        """Take the category and kind index of each item, int64 [V + 1]."""
        super().__init__()
        self.own = nn.Embedding(shape.items, shape.width)
        self.by_category = nn.Embedding(shape.categories, shape.width)
        self.by_kind = nn.Embedding(shape.kinds, shape.width)
        self.register_buffer("category", category, persistent=False)
        self.register_buffer("kind", kind, persistent=False)
        # An item starts as what its category and type say, and moves away from it as far as its purchases carry it.
        for part, spread in ((self.own, 0.005), (self.by_category, 0.05), (self.by_kind, 0.05)):
            nn.init.normal_(part.weight, std=spread)

    def folded(self) -> Tensor:
        """Return the vector of every item, float32 [V + 1, width]; zero for index 0."""
        vectors = self.own.weight + self.by_category.weight[self.category] + self.by_kind.weight[self.kind]
        known = torch.ones(len(vectors), 1)
        known[0] = 0.0
        return vectors * known


class Head(nn.Module):
    """Everything behind the item table: what is exported runs this with the table as a constant."""

    def __init__(self, shape: Shape) -> None:
        """Make the layers."""
        super().__init__()
        wide, narrow = shape.hidden
        self.query = nn.Linear(shape.width, shape.width, bias=False)
        self.position = nn.Parameter(torch.zeros(RECENT))
        self.user = nn.Linear(shape.width + USER_WIDTH, wide)
        self.candidate = nn.Linear(3 * shape.width + CANDIDATE_WIDTH, wide, bias=False)
        self.second = nn.Linear(wide, narrow)
        self.last = nn.Linear(narrow, 1, bias=False)
        self.scale = shape.width**-0.5

    def forward(
        self,
        table: Tensor,
        bias: Tensor,
        recent_items: Tensor,
        candidates: Tensor,
        user_features: Tensor,
        candidate_features: Tensor,
    ) -> Tensor:
        """Return the scores, float32 [B, C]; see `Ranker.forward`."""
        look_up = nn.functional.embedding
        recent, chosen = look_up(recent_items, table), look_up(candidates, table)
        known = (recent_items > 0).to(recent.dtype)
        mean = (recent * known[:, :, None]).sum(1) / known.sum(1, keepdim=True).clamp(min=1.0)
        # The user's part of the first layer is the same for all candidates: computed once, then added to each.
        user = self.user(torch.cat([mean, user_features], dim=-1))
        fits = torch.sigmoid(self.query(chosen) @ recent.transpose(1, 2) * self.scale + self.position)
        interest = (fits * known[:, None, :]) @ recent
        side = torch.cat([chosen, interest, interest * chosen, candidate_features], dim=-1)
        hidden = torch.relu(self.candidate(side) + user[:, None, :])
        scores = self.last(torch.relu(self.second(hidden))).squeeze(-1) + look_up(candidates, bias).squeeze(-1)
        return torch.where(candidates > 0, scores, torch.full_like(scores, PADDING_SCORE))


class Ranker(nn.Module):
    """The model as it is trained."""

    def __init__(self, shape: Shape, category: Tensor, kind: Tensor) -> None:
        """Take the category and kind index of each item, int64 [V + 1]."""
        super().__init__()
        self.items = ItemTable(shape, category, kind)
        self.bias = nn.Embedding(shape.items, 1)
        nn.init.zeros_(self.bias.weight)
        self.head = Head(shape)

    def forward(
        self, recent_items: Tensor, candidates: Tensor, user_features: Tensor, candidate_features: Tensor
    ) -> Tensor:
        """Return one logit a candidate, float32 [B, C]; `PADDING_SCORE` for padding.

        Args:
            recent_items: int64 [B, 20], newest first, 0 for padding and unknown.
            candidates: int64 [B, C], 0 for padding.
            user_features: float32 [B, U].
            candidate_features: float32 [B, C, F].
        """
        parts = (recent_items, candidates, user_features, candidate_features)
        scores: Tensor = self.head(self.items.folded(), self.bias.weight, *parts)
        return scores

    def served(self) -> "ServedRanker":
        """Return the same model with its item table folded to one constant."""
        return ServedRanker(self)


class ServedRanker(nn.Module):
    """The model as it is exported: same inputs, same scores, one item table."""

    def __init__(self, ranker: Ranker) -> None:
        """Fold the table of a trained model."""
        super().__init__()
        self.head = ranker.head
        self.register_buffer("table", ranker.items.folded().detach().clone())
        self.register_buffer("bias", ranker.bias.weight.detach().clone())

    def forward(
        self, recent_items: Tensor, candidates: Tensor, user_features: Tensor, candidate_features: Tensor
    ) -> Tensor:
        """Return the scores, float32 [B, C]; see `Ranker.forward`."""
        parts: Any = (recent_items, candidates, user_features, candidate_features)
        scores: Tensor = self.head(self.table, self.bias, *parts)
        return scores


def listwise_loss(scores: Tensor, bought: Tensor, log_weights: Tensor) -> Tensor:
    """Return the mean over bought candidates of -log of their softmax against the candidates that were not bought.

    Args:
        scores: float32 [B, C].
        bought: bool [B, C].
        log_weights: float32 [C], the log of how many items each candidate stands for when it was not bought.
    """
    others = torch.logsumexp((scores + log_weights).masked_fill(bought, PADDING_SCORE), dim=1, keepdim=True)
    losses = nn.functional.softplus(others - scores)
    return (losses * bought).sum() / bought.sum().clamp(min=1)
