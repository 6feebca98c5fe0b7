"""The user's own latest items: where people come back to things, the last ones are the likeliest."""

import numpy as np

from freshet.models.sources.rows import distances, first_of_each
from freshet.models.sources.source import Evidence, Found, each, nothing_found
from freshet.models.user_state import UserState


class Again:
    """Proposes the items that the user had last, the latest first; for lists that may show them again."""

    name = "again"

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k items, with 1 / how far back each is."""
        if user.is_new:
            return nothing_found()
        places = first_of_each(user.items)[:k]
        items = user.items[places]

        def because(item: int) -> Evidence:
            return Evidence("habit", (item,), "you looked at it before", float(np.count_nonzero(user.items == item)))

        return Found(items, 1.0 / distances(user.times, len(user.items))[places], each(because))
