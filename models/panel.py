"""The candidate sources of a placement, asked in turn: timed, switchable, and none of them able to fail the list."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freshet.models.merge import Merged, Merger, Share
from freshet.models.sources.source import Found, Source, nothing_found
from freshet.models.user_state import UserState

log = logging.getLogger(__name__)


@dataclass
class Timing:
    """What a source has cost: calls, failures, and nanoseconds in all and at worst."""

    calls: int = 0
    failures: int = 0
    total_ns: int = 0
    worst_ns: int = 0

    @property
    def mean_us(self) -> float:
        """Microseconds a call."""
        return self.total_ns / max(self.calls, 1) / 1000


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

    def pool(self, user: UserState) -> Merged:
        """Return the candidates of one user."""
        asked = zip(self._sources, self._shares, strict=True)
        return self._merger.pool([self._found(source, share, user) for source, share in asked], self._shares, self._k)

    def _found(self, source: Source, share: Share, user: UserState) -> Found:
        timing, begun = self.timings[share.name], time.perf_counter_ns()
        try:
            return source.candidates(user, self._k)  # beyond its quota, to fill up what others leave
        except Exception:
            timing.failures += 1
            if timing.failures & (timing.failures - 1) == 0:  # the 1st, 2nd, 4th ...: told, without filling the log
                log.exception("Source %s failed for the %d. time; the others go on.", share.name, timing.failures)
            return nothing_found()
        finally:
            took = time.perf_counter_ns() - begun
            timing.calls += 1
            timing.total_ns += took
            timing.worst_ns = max(timing.worst_ns, took)
