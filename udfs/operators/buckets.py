"""Histograms as counts, one a bucket: Flink's own distributions do not reach Prometheus from Python."""

from bisect import bisect_left
from collections.abc import Sequence

OVER = "inf"


class Buckets:
    """Counts values by the smallest bound that is at least as large; a last bucket takes what exceeds all bounds.

    Unlike in Prometheus' own histograms the buckets do not add up along the bounds: each counts its own values.
    """

    def __init__(self, bounds: Sequence[int]) -> None:
        """Begin with nothing counted."""
        self._bounds = bounds
        self._labels = [*map(str, bounds), OVER]
        self._counts = [0] * len(self._labels)

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """The buckets that are not empty, as `told` takes them: by the label that carries the bound, and what is counted."""
        pairs = zip(self._labels, self._counts, strict=True)
        return {label: {"batches": count} for label, count in pairs if count}
