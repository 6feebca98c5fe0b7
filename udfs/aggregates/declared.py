"""The aggregate that a declared feature stands for."""

from collections.abc import Callable
from typing import Any

from freshet.udfs.aggregates.aggregate import Aggregate
from freshet.udfs.aggregates.ewma import Ewma
from freshet.udfs.aggregates.last_n import LastN, LastNDistinct
from freshet.udfs.aggregates.sessions import SessionCount, SessionDuration
from freshet.udfs.aggregates.trend import Trend
from freshet.udfs.aggregates.windows import WindowCount, WindowSum
from freshet.udfs.views import Aggregation

AGGREGATES: dict[str, Callable[[Aggregation], Aggregate[Any, Any, Any]]] = {
    "count": lambda feature: WindowCount(feature.window_ms, feature.slide_ms),
    "sum": lambda feature: WindowSum(feature.window_ms, feature.slide_ms),
    "ewma": lambda feature: Ewma(feature.window_ms),
    "trend": lambda feature: Trend(short_half_life_ms=feature.slide_ms, long_half_life_ms=feature.window_ms),
    "last_n": lambda feature: LastN(feature.n),
    "last_n_distinct": lambda feature: LastNDistinct(feature.n),
    "session_count": lambda feature: SessionCount(feature.window_ms),
    "session_duration": lambda feature: SessionDuration(feature.window_ms),
}


def aggregate_of(feature: Aggregation) -> Aggregate[Any, Any, Any]:
    """Return the aggregate of a feature.

    >>> aggregate_of(Aggregation("item_events_ewma_1h", "ewma", "event_id", "Float64", window_ms=3_600_000))
    Ewma(half_life_ms=3600000)
    """
    return AGGREGATES[feature.function](feature)
