"""Places that are kept for new items, until they have been shown often enough to be judged like all others."""

from collections.abc import Sequence

import numpy as np

from freshet.models.reranking.config import NewItems
from freshet.models.reranking.filters import HOUR_MS
from freshet.models.reranking.pool import Bools, Pool


def new_items(pool: Pool, rules: NewItems) -> Bools | None:
    """Tell which items are new and have hardly been shown, bool [n]; None where none is, or ages are not known."""
    if pool.ages_ms is None or not rules.places:
        return None
    young: Bools = (pool.ages_ms >= 0) & (pool.ages_ms < rules.younger_than_hours * HOUR_MS)
    if pool.impressions is not None:
        young &= pool.impressions < rules.fewer_than_impressions
    return young if young.any() else None


class Slots:
    """Keeps some places of one list for some candidates, as long as there are any."""

    name = "new-item slot"

    def __init__(self, places: Sequence[int], members: Bools, free: Bools) -> None:
        """Take the places, counted from 1, for whom they are, and which candidates may be taken, bool [n] each."""
        self.places = frozenset(places)
        self.members = members
        self._left = int(np.count_nonzero(members & free))
        self._is_kept = False

    def at(self, place: int) -> None:
        """Take it that a place is to be filled."""
        self._is_kept = self._left > 0 and place + 1 in self.places

    def breaks(self, position: int) -> bool:
        """Tell whether a candidate would break the rule on this place."""
        return self._is_kept and not self.members[position]

    def broken(self) -> Bools | None:
        """Tell which candidates would, bool [n]; None where none would."""
        return ~self.members if self._is_kept else None

    def take(self, place: int, position: int) -> None:
        """Take it that a candidate has a place."""
        self._left -= bool(self.members[position])
