"""The one place that fixes what the ranker is fed: which features, in which order, through which function.

Training and serving both build their input arrays here, from the raw values that the online store holds. Everything is
plain numpy and works on whole batches. A value that is missing (NaN in an array, None in a mapping) counts as no events
at all, that is as 0: it is what the store would hold had the user or the item just appeared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

RECENT = 20
"""Items of the user that the ranker looks at, newest first."""

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

SESSION_GAP_MS = 30 * MINUTE_MS
"""Events this far apart, or farther, are of two sessions."""

AFFINITY_HALF_LIVES_MS = (7 * DAY_MS, 30 * MINUTE_MS)
POPULARITY_HALF_LIVES_MS = (HOUR_MS, DAY_MS)


@dataclass(frozen=True)
class Window:
    """A sliding window that moves by whole panes: it ends with the pane that holds the reading, however full."""

    length_ms: int
    pane_ms: int

    def start(self, as_of: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first instant (ms, inclusive) that the window holds at each of these instants (ms).

        >>> Window(5 * MINUTE_MS, MINUTE_MS).start(np.array([10 * MINUTE_MS + 59_999])) // MINUTE_MS
        array([6])
        """
        newest = as_of // self.pane_ms
        return np.asarray((newest - self.length_ms // self.pane_ms + 1) * self.pane_ms, dtype=np.int64)


WINDOWS = (
    Window(5 * MINUTE_MS, MINUTE_MS),
    Window(HOUR_MS, 5 * MINUTE_MS),
    Window(DAY_MS, 30 * MINUTE_MS),
)
"""The windows of the user's event counts; the last is also that of the spend."""


@dataclass(frozen=True)
class Source:
    """A feature in the online store that an input is made of."""

    view: str
    feature: str


USER_SOURCES = (
    Source("user_activity", "user_events_count_5m"),
    Source("user_activity", "user_events_count_1h"),
    Source("user_activity", "user_events_count_24h"),
    Source("user_activity", "user_spend_sum_24h"),
    Source("user_activity", "user_session_length"),
    Source("user_activity", "user_session_depth"),
    Source("user_activity", "user_session_duration"),
)
"""Raw values behind `user_features`, in order: events, events, events, money, events, page views, seconds."""

CANDIDATE_SOURCES = (
    Source("user_category_affinity", "user_category_ewma_7d"),
    Source("user_category_affinity", "user_category_ewma_30m"),
    Source("item_popularity", "item_events_ewma_1h"),
    Source("item_popularity", "item_events_ewma_24h"),
)
"""Raw values behind `candidate_features`, in order; all four are decayed counts of events.

The first two are the user's, for the candidate's category; the other two are the candidate's own. The store holds each
as of the last event of its key: `decayed` brings it to the instant of reading."""

USER_FEATURES = tuple(f"log1p({source.feature})" for source in USER_SOURCES)
"""Columns of `user_features`."""

CANDIDATE_FEATURES = (*(f"log1p({source.feature})" for source in CANDIDATE_SOURCES), "log1p(trend_ratio)")
"""Columns of `candidate_features`."""

USER_WIDTH = len(USER_FEATURES)
CANDIDATE_WIDTH = len(CANDIDATE_FEATURES)

TREND_SCALE = POPULARITY_HALF_LIVES_MS[1] / POPULARITY_HALF_LIVES_MS[0]
"""How many times larger the 24 h count is than the 1 h count of an item whose events come at a steady rate."""

TREND_PRIOR = 24.0
"""Steady events that every item is credited with, in the 24 h count, so that one event is not yet a trend."""


def decayed(counts: ArrayLike, age_ms: ArrayLike, half_life_ms: float) -> NDArray[np.float64]:
    """Return decayed counts as they stand some time (ms) after the instant that they were stored for.

    A negative age, of a count that is newer than the reading, leaves it as it is.

    >>> decayed([8.0, 8.0], [2 * HOUR_MS, -5], HOUR_MS)
    array([2., 8.])
    """
    age = np.maximum(np.asarray(age_ms, dtype=np.float64), 0.0)
    return np.asarray(np.asarray(counts, dtype=np.float64) * np.exp2(-age / half_life_ms))


def trend_ratio(ewma_1h: ArrayLike, ewma_24h: ArrayLike) -> NDArray[np.float64]:
    """Return how much faster events come in the last hours than over the last days.

    With both counts credited with the same steady prior p, it is (24 x ewma_1h + p) / (ewma_24h + p): 1 for an item at
    its usual rate or without events, above 1 while it rises, below 1 while it falls. An event weighs no more at the
    shorter half-life than at the longer, so the ratio stays above 0 and below 24; inputs that break this, because they
    were read at two instants, are capped to it.

    >>> trend_ratio([0.0, 1.0, 0.0], [0.0, 1.0, 24.0])
    array([1.  , 1.92, 0.5 ])
    """
    slow = _present(ewma_24h)
    fast = np.minimum(_present(ewma_1h), slow)
    return np.asarray((TREND_SCALE * fast + TREND_PRIOR) / (slow + TREND_PRIOR), dtype=np.float64)


def user_features(raw: ArrayLike) -> Floats:
    """Return the input `user_features`, float32 [B, 7], from raw values [B, 7] in the order of `USER_SOURCES`.

    >>> user_features([[0, 1, 3, -2.5, 1, 0, 0]]).round(3)
    array([[0.   , 0.693, 1.386, 0.   , 0.693, 0.   , 0.   ]], dtype=float32)

    Raises:
        ValueError: the last axis is not as long as `USER_SOURCES`.
    """
    values = _present(raw)
    if values.shape[-1] != len(USER_SOURCES):
        raise ValueError(f"{values.shape[-1]} raw values a user, but {len(USER_SOURCES)} in USER_SOURCES")
    return np.log1p(values).astype(np.float32)


def candidate_features(
    affinity_7d: ArrayLike, affinity_30m: ArrayLike, popularity_1h: ArrayLike, popularity_24h: ArrayLike
) -> Floats:
    """Return the input `candidate_features`, float32 [..., C, 5], from four arrays of raw values, each [..., C].

    The affinities are the user's decayed counts of events in each candidate's category, the popularities each
    candidate's own decayed counts; a shape that fits by broadcasting, such as [C] beside [B, C], is taken as it is.

    >>> candidate_features([[1.0]], [[0.0]], [1.0], [1.0]).round(3)
    array([[[0.693, 0.   , 0.693, 0.693, 1.072]]], dtype=float32)
    """
    raw = (affinity_7d, affinity_30m, popularity_1h, popularity_24h)
    columns = [_present(column) for column in raw] + [trend_ratio(popularity_1h, popularity_24h)]
    features = np.empty((*np.broadcast_shapes(*(column.shape for column in columns)), len(columns)), np.float32)
    for position, column in enumerate(columns):
        features[..., position] = np.log1p(column, dtype=np.float64)
    return features


def user_row(values: Mapping[str, float | None]) -> list[float]:
    """Return one raw row in the order of `USER_SOURCES` from a mapping of feature name to value.

    >>> user_row({"user_events_count_1h": 3, "user_spend_sum_24h": None})
    [nan, 3.0, nan, nan, nan, nan, nan]
    """
    return [_number(values.get(source.feature)) for source in USER_SOURCES]


def recent_items(newest_first: Sequence[int]) -> NDArray[np.int64]:
    """Return one row of the input `recent_items`, int64 [20], from item indices, newest first.

    >>> recent_items([7, 3])[:4]
    array([7, 3, 0, 0])
    """
    row = np.zeros(RECENT, np.int64)
    kept = newest_first[:RECENT]
    row[: len(kept)] = kept
    return row


def _present(values: ArrayLike) -> NDArray[np.float64]:
    # fmax prefers the number over NaN, so a missing value and a negative one (a refund) both come out as 0.
    return np.asarray(np.fmax(np.asarray(values, dtype=np.float64), 0.0))


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
