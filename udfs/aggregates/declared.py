"""The aggregate that a declared feature stands for."""

from collections.abc import Callable
from typing import Any

from freshet.udfs.aggregates.aggregate import Aggregate
from freshet.udfs.aggregates.distinct import ApproxCountDistinct, CountDistinct
from freshet.udfs.aggregates.ewma import Ewma, EwmaMean, EwmaVector
from freshet.udfs.aggregates.latest import First, Last, LastN, LastNDistinct, SinceLast
from freshet.udfs.aggregates.rate import EwmaRate, Rate
from freshet.udfs.aggregates.sessions import SessionCount, SessionDepth, SessionDuration, SessionItems
from freshet.udfs.aggregates.top_k import TopK
from freshet.udfs.aggregates.trend import Trend
from freshet.udfs.aggregates.windows import Count, Histogram, Max, Mean, Min, StdDev, Sum
from freshet.udfs.views import Aggregation

AGGREGATES: dict[str, Callable[[Aggregation], Aggregate[Any, Any, Any]]] = {
    "count": lambda f: Count(f.window_ms, f.slide_ms),
    "sum": lambda f: Sum(f.window_ms, f.slide_ms),
    "mean": lambda f: Mean(f.window_ms, f.slide_ms),
    "min": lambda f: Min(f.window_ms, f.slide_ms),
    "max": lambda f: Max(f.window_ms, f.slide_ms),
    "stddev": lambda f: StdDev(f.window_ms, f.slide_ms),
    "rate": lambda f: Rate(f.window_ms, f.slide_ms, f.prior, f.prior_weight),
    "histogram": lambda f: Histogram(f.window_ms, f.slide_ms),
    "count_distinct": lambda f: CountDistinct(f.window_ms, f.slide_ms),
    "approx_count_distinct": lambda f: ApproxCountDistinct(f.window_ms, f.slide_ms),
    "top_k": lambda f: TopK(f.window_ms, f.slide_ms, f.n),
    "first": lambda f: First[Any](),
    "last": lambda f: Last[Any](f.window_ms),
    "last_n": lambda f: LastN(f.n, f.window_ms),
    "last_n_distinct": lambda f: LastNDistinct(f.n, f.window_ms),
    "since_last": lambda f: SinceLast[Any](),
    "ewma": lambda f: Ewma(f.window_ms),
    "ewma_mean": lambda f: EwmaMean(f.window_ms),
    "ewma_rate": lambda f: EwmaRate(f.window_ms, f.prior, f.prior_weight),
    "ewma_vector": lambda f: EwmaVector(f.window_ms, f.n),
    "trend": lambda f: Trend(short_half_life_ms=f.slide_ms, long_half_life_ms=f.window_ms),
    "session_count": lambda f: SessionCount(f.window_ms),
    "session_duration": lambda f: SessionDuration(f.window_ms),
    "session_depth": lambda f: SessionDepth(f.window_ms),
    "session_items": lambda f: SessionItems(f.window_ms, f.n),
}


def aggregate_of(feature: Aggregation) -> Aggregate[Any, Any, Any]:
    """Return the aggregate of a feature.

    >>> aggregate_of(Aggregation("item_events_ewma_1h", "ewma", "event_id", "Float64", window_ms=3_600_000))
    Ewma(half_life_ms=3600000)
    """
    return AGGREGATES[feature.function](feature)
