"""How many different values a sliding window holds."""

import math
from bisect import insort
from dataclasses import dataclass

import mmh3

from freshet.udfs.aggregates.aggregate import Event
from freshet.udfs.aggregates.windows import Window

LastSeen = tuple[tuple[str, int], ...]
"""(value, newest pane in which it was seen) of each value, by value."""

Sketch = tuple[tuple[int, int], ...]
"""(hash, newest pane in which it was seen) of the hashes that may still matter, smallest hash first."""

HASHES = 2**64


@dataclass(frozen=True)
class CountDistinct(Window):
    """How many different texts the window holds, exactly: the state has every one of them.

    >>> items = CountDistinct(window_ms=3_000, slide_ms=1_000)
    >>> state = state_after(items, [Event(1_000, "a"), Event(2_000, "b"), Event(3_000, "a")])
    >>> items.result(state, now=3_000), items.result(state, now=5_000), items.expiry(state, now=3_000)
    (2, 1, 6000)
    """

    def zero(self) -> LastSeen:
        """Return no values."""
        return ()

    def add(self, state: LastSeen, event: Event[str]) -> LastSeen:
        """Return the values with one event more."""
        return state if event.value is None else self.merge(state, ((event.value, self.pane(event.time)),))

    def merge(self, one: LastSeen, other: LastSeen) -> LastSeen:
        """Return the values of both, as far as the window of the newest pane reaches."""
        seen = dict(sorted(one + other, key=lambda each: each[1]))  # a newer pane takes the place of an older one
        newest = max(seen.values(), default=0)
        return tuple(sorted(each for each in seen.items() if self.reaches(each[1], newest)))

    def result(self, state: LastSeen, now: int) -> int:
        """Return the number of values."""
        return sum(self.reaches(pane, self.pane(now)) for _, pane in state)

    def expiry(self, state: LastSeen, now: int) -> int | None:
        """Return when the newest pane leaves the window."""
        return self.end((pane for _, pane in state), now)


def hash64(text: str) -> int:
    """Return the first eight bytes of MurmurHash3 x64 128 of a text in UTF-8, seed 0, as a little-endian number below 2^64.

    >>> hash64("freshet")
    12849567834222973853
    """
    return mmh3.hash64(text.encode(), seed=0, signed=False)[0]


@dataclass(frozen=True)
class ApproxCountDistinct(Window):
    """About how many different texts the window holds: exact below `k`, with a standard error of 1 / sqrt(k - 2) above.

    The `k` smallest hashes of the window are kept: the more values, the closer to 0 they lie. If the k-th smallest is the
    share U of the range of hashes, (k - 1) / U is an unbiased estimate. See Bar-Yossef, Jayram, Kumar, Sivakumar and
    Trevisan, "Counting Distinct Elements in a Data Stream", RANDOM 2002, for the k minimum values, and Beyer, Haas, Reinwald,
    Sismanis and Gemulla, "On Synopses for Distinct-Value Estimation Under Multiset Operations", SIGMOD 2007, for the estimate.

    A window slides, so a hash is forgotten only when `k` smaller ones were seen in its newest pane or later: it will never
    again be among the `k` smallest of a window without being seen anew. What is kept depends on no order of arrival.

    >>> visitors = ApproxCountDistinct(window_ms=3_000, slide_ms=1_000)
    >>> state = state_after(visitors, [Event(1_000, "a"), Event(2_000, "b"), Event(3_000, "a")])
    >>> visitors.result(state, now=3_000), visitors.result(state, now=5_000)
    (2, 1)
    >>> rough = ApproxCountDistinct(window_ms=3_000, slide_ms=1_000, k=16)
    >>> rough.result(state_after(rough, [Event(0, f"user {number}") for number in range(100)]), now=0)
    116
    """

    k: int = 256

    def zero(self) -> Sketch:
        """Return no hashes."""
        return ()

    def add(self, state: Sketch, event: Event[str]) -> Sketch:
        """Return the hashes with one event more."""
        return state if event.value is None else self.merge(state, ((hash64(event.value), self.pane(event.time)),))

    def merge(self, one: Sketch, other: Sketch) -> Sketch:
        """Return the hashes of both that may still matter."""
        seen = dict(sorted(one + other, key=lambda each: each[1]))  # a newer pane takes the place of an older one
        newest = max(seen.values(), default=0)
        kept: list[tuple[int, int]] = []
        newest_panes: list[int] = []  # the k newest panes of smaller hashes, oldest first
        for smallest, pane in sorted(seen.items()):
            if self.reaches(pane, newest) and (len(newest_panes) < self.k or pane > newest_panes[0]):
                kept.append((smallest, pane))
                insort(newest_panes, pane)
                del newest_panes[: -self.k]
        return tuple(kept)

    def result(self, state: Sketch, now: int) -> int:
        """Return the estimate."""
        hashes = [smallest for smallest, pane in state if self.reaches(pane, self.pane(now))]
        if len(hashes) < self.k:
            return len(hashes)
        return math.floor((self.k - 1) / (hashes[self.k - 1] / HASHES) + 0.5)

    def expiry(self, state: Sketch, now: int) -> int | None:
        """Return when the newest pane leaves the window."""
        return self.end((pane for _, pane in state), now)
