"""Histograms of counts: each value is counted once, under the smallest bound that holds it."""

import pytest

from freshet.udfs.operators.buckets import Buckets


@pytest.mark.parametrize(("value", "bound"), [(0, "1"), (1, "1"), (1.001, "10"), (10, "10"), (10.5, "inf")])
def test_a_value_is_counted_under_the_smallest_bound_that_holds_it(value: float, bound: str) -> None:
    buckets = Buckets((1, 10))
    buckets.add(value)
    assert buckets.counts == {bound: {"batches": 1}}
    buckets.add(value)
    assert buckets.counts == {bound: {"batches": 2}}
