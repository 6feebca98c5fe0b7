"""Histograms as counters, one a bucket: Flink's own distributions do not reach Prometheus from Python."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

OVER = "inf"


class Buckets:
    """Counts values by the smallest bound that is at least as large; a last bucket takes what exceeds all bounds.

    Unlike in Prometheus' own histograms the buckets do not add up along the bounds: each counts its own values.
    """

    def __init__(self, group: Any, name: str, bounds: Sequence[int]) -> None:
        """Make the counters: `group` is a metric group of Flink, and `name` the label that carries the bound."""
        self._bounds = bounds
        self._counters = [group.add_group(name, str(bound)).counter("batches") for bound in (*bounds, OVER)]

    def add(self, value: float) -> None:
        """Count a value."""
        self._counters[bisect_left(self._bounds, value)].inc()
