"""Sequential rules: what people visit next after an item (Kamehkhosh, Jannach and Ludewig, 2017), as of now."""

import numpy as np

from freshet.models.sources.rows import FromLatest, LearntRows, Reading, Rows, first_of_each
from freshet.models.user_state import UserState

READING = Reading(last=10, fade=1.0, own=1.0, theirs=0.0, prior=1.0)
LAST = 10


class Followers(FromLatest):
    """Proposes what follows the user's latest items: conditional probabilities, with near ones counting most."""

    def __init__(self, rows: Rows, reading: Reading = READING, name: str = "follower") -> None:
        super().__init__(rows, reading, name, "often visited after")


class FollowerLearner:
    """Learns rows of followers: each of the `last` items before a visit is followed by it, with 1 / steps."""

    def __init__(self, rows: LearntRows, last: int = LAST) -> None:
        self._rows, self._last = rows, last

    def learn(self, user: UserState, item: int, weight: float) -> None:
        """Take in an event; see `Learner`."""
        self._rows.count(item, weight, user.now_ms)
        latest = user.items[: self._last]
        places = first_of_each(latest)
        places = places[latest[places] != item]
        if len(places):
            strength = np.asarray(weight / (places + 1.0), np.float32)
            self._rows.add_to_each(latest[places], item, strength, user.now_ms)
