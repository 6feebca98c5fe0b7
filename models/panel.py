"""The candidate sources of a placement, asked in turn: timed, switchable, and none of them able to fail the list."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freshet.models.merge import Merged, Merger, Share
from freshet.models.sources.source import BatchSource, Finds, Found, Source, asked_one_by_one, nothing_found
from freshet.models.user_state import Users, UserState

log = logging.getLogger(__name__)


@dataclass
class Timing:
    """What a source has cost.

    Attributes:
        users: for whom it was asked.
        failures: batches that it could not find candidates for as a whole.
        total_ns: nanoseconds in all.
        worst_ns: of the batch that took longest.
    """

    users: int = 0
    failures: int = 0
    total_ns: int = 0
    worst_ns: int = 0

    def add(self, took_ns: int, users: int) -> None:
        """Take a batch in."""
        self.users += users
        self.total_ns += took_ns
        self.worst_ns = max(self.worst_ns, took_ns)

    @property
    def mean_us(self) -> float:
        """Microseconds a user."""
        return self.total_ns / max(self.users, 1) / 1000


class Panel:
    """Asks the sources of one placement and merges what they find. For one thread."""

    def __init__(self, sources: Mapping[str, Source], shares: Sequence[Share], k: int, size: int) -> None:
        """Take the sources that there are, the shares of those that are wanted, and the places of the pool.

        Args:
            sources: by name; one that has no share is not asked.
            shares: in the order in which they bring items in.
            k: candidates.
            size: one more than the highest item index.

        Raises:
            KeyError: a share names no source.
        """
        self._shares = [share for share in shares if share.quota > 0]
        self._sources = [sources[share.name] for share in self._shares]
        self._merger = Merger(size)
        self._k = k
        self.timings = {share.name: Timing() for share in self._shares}

    @property
    def names(self) -> list[str]:
        """Names of the sources, in the order of `Merged.scores`."""
        return [share.name for share in self._shares]

    def make_room(self, size: int) -> None:
        """Take it that items may have indices up to size - 1 from now on."""
        self._merger.make_room(size)

    def pools(self, users: Users) -> Merged:
        """Return the candidates of each user of a batch."""
        asked = zip(self._sources, self._shares, strict=True)
        return self._merger.pools([self._finds(source, share, users) for source, share in asked], self._shares, self._k)

    def _finds(self, source: Source, share: Share, users: Users) -> Finds:
        # Each is asked for as much as the pool holds, beyond its quota, to fill up what others leave.
        timing, begun = self.timings[share.name], time.perf_counter_ns()
        try:
            if isinstance(source, BatchSource):
                return source.finds(users, self._k)
            return asked_one_by_one(lambda user: source.candidates(user, self._k), users, self._k)
        except Exception:
            timing.failures += 1
            if timing.failures & (timing.failures - 1) == 0:  # the 1st, 2nd, 4th ...: told, without filling the log
                log.exception("Source %s failed for the %d. time; the others go on.", share.name, timing.failures)
            return asked_one_by_one(lambda user: self._or_nothing(source, user), users, self._k)
        finally:
            timing.add(time.perf_counter_ns() - begun, len(users))

    def _or_nothing(self, source: Source, user: UserState) -> Found:
        """Return what a source finds for one user of a batch that it could not find candidates for as a whole."""
        try:
            return source.candidates(user, self._k)
        except Exception:  # noqa: BLE001 - it has been told of the batch
            return nothing_found()
