"""The most frequent values of a sliding window."""

from collections import Counter
from dataclasses import dataclass

from freshet.udfs.aggregates.windows import PaneByPane, Panes

Counts = tuple[tuple[str, int], ...]
"""(value, how often it was seen) of each value, by value."""


@dataclass(frozen=True)
class TopK(PaneByPane[Counts]):
    """The `n` most frequent texts of the window, the most frequent first; equally frequent ones by their code points.

    >>> brands = TopK(window_ms=3_000, slide_ms=1_000, n=2)
    >>> state = state_after(brands, [Event(time, brand) for time, brand in ((0, "c"), (1, "c"), (1_000, "b"), (2_000, "a"))])
    >>> brands.result(state, now=2_000), brands.result(state, now=3_000), brands.result(state, now=5_000)
    (['c', 'a'], ['a', 'b'], [])
    """

    n: int

    def _cell(self, value: object) -> Counts:
        return ((str(value), 1),)

    def _join(self, one: Counts, other: Counts) -> Counts:
        return tuple(sorted((Counter(dict(one)) + Counter(dict(other))).items()))

    def result(self, state: Panes[Counts], now: int) -> list[str]:
        """Return the texts."""
        counts: Counter[str] = Counter()
        for cell in self.within(state, now).values():
            counts.update(dict(cell))
        return sorted(counts, key=lambda value: (-counts[value], value))[: self.n]
