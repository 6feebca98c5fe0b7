"""User neighbours: what people had who had many of the same items, wherever in their history.

A history is a session without an end here, cut every 50 events; near and far items of it count almost alike.
"""

from freshet.models.sources.rows import NEVER
from freshet.models.sources.sessions import LearntSessions, SessionNeighbours, Sessions

LAST = 20
NEAR = 25.0


def learnt_histories(capacity: int = 20_000, per_item: int = 200) -> LearntSessions:
    """Return what keeps histories in process."""
    return LearntSessions(capacity, per_item, gap_ms=NEVER)


def user_neighbours(histories: Sessions) -> SessionNeighbours:
    """Return the source `neighbour`."""
    return SessionNeighbours(histories, last=LAST, near=NEAR, name="neighbour")
