"""Sessions that the trends job keeps, read into the memory of who looks for neighbours among them."""

import time
from collections.abc import Mapping

import numpy as np

from freshet.models.sources.sessions import LearntSessions
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.trend_reader import TrendFeed, read_sessions

LATE_MS = 3_600_000
"""A session comes when it is over, half an hour after its last event or later."""

SHORTEST = 2
"""Items of a session that says anything of another."""


class SessionFeed(TrendFeed):
    """Keeps sessions current. Who reads them meanwhile may see one that is half there."""

    def __init__(self, pipe: RedisPipe, name: str, members: Mapping[str, int], sessions: LearntSessions) -> None:
        """Read all sessions once.

        Args:
            pipe: a connection of the feed's own.
            name: the trend.
            members: the number of each item, from 1.
            sessions: what is filled.

        Raises:
            redis.RedisError: the store did not answer.
        """
        super().__init__(pipe, name)
        self._members, self._sessions = members, sessions
        self._known: dict[tuple[int, tuple[str, ...]], None] = {}
        self._newest_ms = 0
        self.look()

    def look(self) -> int:
        """Read the sessions that have come since the last look, and return how many were of use.

        Raises:
            redis.RedisError: the store did not answer.
        """
        begun, since_ms, used = time.monotonic(), self._newest_ms - LATE_MS, 0
        for end, items in read_sessions(self._pipe, self._name, max(since_ms, 0)):
            self._newest_ms = max(self._newest_ms, end)
            key = end, tuple(items)
            if key in self._known:
                continue
            self._known[key] = None
            known = [self._members[item] for item in items if item in self._members]
            if len(known) >= SHORTEST:
                self._sessions.add(np.array(known, np.int64))
                used += 1
        oldest_ms = self._newest_ms - LATE_MS
        self._known = {key: None for key in self._known if key[0] >= oldest_ms}
        self._looked_at = begun
        return used
