"""The baseline network: neural collaborative filtering. Needs torch.

He et al., Neural Collaborative Filtering, WWW 2017: a generalised matrix factorisation and a perceptron, each with item
vectors of its own, added up by one last layer. There a user is an id; here users come and go, so a user is the mean of the
recent items. It sees no feature beside the items, as in the paper.
"""

# mypy: allow-subclassing-any, allow-untyped-calls
import torch
from torch import Tensor, nn

from freshet.models.ranker import PADDING_SCORE, ItemTable, Shape


class NeuralCollaborativeFiltering(nn.Module):
    """The baseline as it is trained and measured; it is never served."""

    def __init__(self, shape: Shape, category: Tensor, kind: Tensor) -> None:
        """Take the category and kind index of each item, int64 [V + 1]."""
        super().__init__()
        wide, narrow = shape.hidden
        self.factors = ItemTable(shape, category, kind)
        self.items = ItemTable(shape, category, kind)
        self.bias = nn.Embedding(shape.items, 1)
        nn.init.zeros_(self.bias.weight)
        self.user = nn.Linear(shape.width, wide)
        self.candidate = nn.Linear(shape.width, wide, bias=False)
        self.second = nn.Linear(wide, narrow)
        self.last = nn.Linear(shape.width + narrow, 1, bias=False)

    def forward(
        self, recent_items: Tensor, candidates: Tensor, user_features: Tensor, candidate_features: Tensor
    ) -> Tensor:
        """Return one logit a candidate, float32 [B, C]; see `Ranker.forward`."""
        user_factors, item_factors = both_sides(self.factors.folded(), recent_items, candidates)
        user, item = both_sides(self.items.folded(), recent_items, candidates)
        factorised = user_factors[:, None, :] * item_factors
        hidden = torch.relu(self.candidate(item) + self.user(user)[:, None, :])
        joined = torch.cat([factorised, torch.relu(self.second(hidden))], dim=-1)
        scores = self.last(joined).squeeze(-1) + self.bias(candidates).squeeze(-1)
        return torch.where(candidates > 0, scores, torch.full_like(scores, PADDING_SCORE))


def both_sides(table: Tensor, recent_items: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean vector of each user's recent items, float32 [B, width], and the candidates', [B, C, width]."""
    recent = nn.functional.embedding(recent_items, table)
    known = (recent_items > 0).sum(1, keepdim=True).clamp(min=1)
    return recent.sum(1) / known, nn.functional.embedding(candidates, table)
