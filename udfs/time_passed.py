"""What a stored value has become at the time of reading: decay goes on, and what is over is over.

The store holds a view's values as of an instant. The engine writes them anew with each event and when a window or session
is over; a reader that comes between applies what follows from the time that has passed.
"""

from typing import Any

from freshet.udfs.aggregates.ewma import decay
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.views import Aggregation

EMPTY: dict[str, Any] = {"count": 0, "sum": 0.0, "count_distinct": 0, "approx_count_distinct": 0, "top_k": []}
EMPTY |= {"session_count": 0, "session_duration": 0.0, "session_depth": 0, "session_items": []}
EMPTY |= {"last_n": [], "last_n_distinct": []}


def value_now(feature: Aggregation, value: Any, as_of: int, now: int) -> Any:
    """Return a feature's value at `now` from the value that was stored as of an earlier instant, both in ms.

    A decayed sum is decayed further and a time since grows, both exactly. A window or session is empty once all that it
    held as of the stored instant must have left. A decayed mean, of numbers or of vectors, stays as it is, since all its
    weights decay alike; so do, as the nearest that can be told from the value alone, a decayed rate, a trend, and a window
    that has passed in part.

    >>> an_hour = Aggregation("f", "ewma", "event_id", "Float64", window_ms=3_600_000)
    >>> value_now(an_hour, 8.0, as_of=0, now=7_200_000)
    2.0
    """
    passed = now - as_of
    if value is None or passed <= 0:
        return value
    if feature.function == "ewma":
        return value * decay(passed, feature.window_ms)
    if feature.function == "since_last":
        return value + passed / 1000
    return empty(feature) if is_over(feature, as_of, now) else value


def is_over(feature: Aggregation, as_of: int, now: int) -> bool:
    """Tell whether nothing that was in a value as of an instant can be in it now."""
    time = FUNCTIONS[feature.function].time
    if time == "window":
        return now // feature.slide_ms - as_of // feature.slide_ms >= feature.window_ms // feature.slide_ms
    return time in ("gap", "latest") and 0 < feature.window_ms <= now - as_of


def empty(feature: Aggregation) -> Any:
    """Return the value of a feature when there is nothing to compute it from."""
    if feature.function == "rate":
        return feature.prior if feature.prior_weight else None
    if feature.function == "histogram":
        return [0] * (feature.window_ms // feature.slide_ms)
    found = EMPTY.get(feature.function)
    return list(found) if isinstance(found, list) else found
