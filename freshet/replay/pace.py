"""When each event of a replay is due: at once, as fast as it happened times a factor, or so many a second."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from freshet.errors import FreshetError
from freshet.schemas.avro import Record

EARLY_S = 0.0005  # a sleep this short costs more than it is worth; sending half a millisecond early harms nobody
UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True)
class Pace:
    """At most one of `speed` (1 is real time) and `rate` (events a second); neither: as fast as possible."""

    speed: float | None = None
    rate: float | None = None

    @property
    def paced(self) -> bool:
        """Tell whether events wait for their time."""
        return self.speed is not None or self.rate is not None

    def __call__(
        self,
        records: Iterable[Record],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[Record]:
        """Yield each record when it is due; one that is late is yielded at once, so a slow reader is caught up with."""
        if not self.paced:
            yield from records
            return
        start = clock()
        for record, due in self._due(records):
            wait = start + due - clock()
            if wait > EARLY_S:
                sleep(wait)
            yield record

    def _due(self, records: Iterable[Record]) -> Iterator[tuple[Record, float]]:
        """Pair each record with its time in seconds after the first."""
        if self.rate is not None:
            yield from ((record, number / self.rate) for number, record in enumerate(records))
            return
        first = None
        for record in records:
            first = record["event_time"] if first is None else first
            yield record, (record["event_time"] - first) / 1000 / (self.speed or 1)


def milliseconds(text: str) -> int:
    """Read a span of time such as `90s`, `30m`, `6h`, `14d` or `2w`.

    >>> milliseconds("14d")
    1209600000

    Raises:
        FreshetError: it is not such a span.
    """
    match = re.fullmatch(r"(\d+)([smhdw])", text.strip())
    if not match or int(match[1]) == 0:
        raise FreshetError(f"{text!r} is not a span of time; write a number and one of s, m, h, d, w, such as 14d.")
    return int(match[1]) * UNITS_MS[match[2]]


def shift_to(now_ms: int, last_event_ms: int) -> int:
    """Return what to add to each event time so that the last event is one millisecond before now."""
    return now_ms - 1 - last_event_ms
