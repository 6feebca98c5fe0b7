"""Histograms of counters: each value is counted once, under the smallest bound that holds it."""

from typing import Any

import pytest

from freshet.udfs.operators.buckets import Buckets


class FakeGroup:
    """A metric group as Flink's: counters by the path of group names."""

    def __init__(self, counts: dict[str, int], path: str = "") -> None:
        self.counts, self.path = counts, path

    def add_group(self, name: str, value: str) -> "FakeGroup":
        return FakeGroup(self.counts, f"{self.path}{name}={value}/")

    def counter(self, name: str) -> Any:
        self.counts[self.path + name] = 0
        return self

    def inc(self) -> None:
        self.counts[self.path + "batches"] += 1


@pytest.mark.parametrize(("value", "bound"), [(0, "1"), (1, "1"), (1.001, "10"), (10, "10"), (10.5, "inf")])
def test_a_value_is_counted_under_the_smallest_bound_that_holds_it(value: float, bound: str) -> None:
    counts: dict[str, int] = {}
    Buckets(FakeGroup(counts), "batch_ms", (1, 10)).add(value)
    assert {path for path, count in counts.items() if count} == {f"batch_ms={bound}/batches"}
    assert sum(counts.values()) == 1
