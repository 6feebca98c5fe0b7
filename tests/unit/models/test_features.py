import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import the_shops_views
from freshet.models import features

counts = st.floats(0, 1e9)


def test_the_order_of_the_inputs_is_the_one_that_models_were_trained_on() -> None:
    assert features.USER_FEATURES == (
        "log1p(user_events_count_5m)",
        "log1p(user_events_count_1h)",
        "log1p(user_events_count_24h)",
        "log1p(user_spend_sum_24h)",
        "log1p(user_session_length)",
        "log1p(user_session_depth)",
        "log1p(user_session_duration)",
    )
    assert features.CANDIDATE_FEATURES == (
        "log1p(user_category_ewma_7d)",
        "log1p(user_category_ewma_30m)",
        "log1p(item_events_ewma_1h)",
        "log1p(item_events_ewma_24h)",
        "log1p(trend_ratio)",
    )


def test_each_raw_value_goes_to_its_own_column() -> None:
    raw = np.arange(1.0, 8.0)
    assert np.allclose(features.user_features([raw]), np.log1p(raw))
    found = features.candidate_features([[1.0]], [[2.0]], [[3.0]], [[4.0]])[0, 0]
    trend = (24 * 3 + 24) / (4 + 24)
    assert np.allclose(found, np.log1p([1.0, 2.0, 3.0, 4.0, trend]))


def test_missing_and_negative_values_count_as_no_events() -> None:
    raw = [[np.nan, -1.0, 0.0, -0.01, np.nan, 2.0, 0.0]]
    assert np.allclose(features.user_features(raw), np.log1p([[0, 0, 0, 0, 0, 2, 0]]))
    assert np.allclose(features.candidate_features([[np.nan]], [[0]], [np.nan], [np.nan])[0, 0, :4], 0)


def test_infinity_is_not_hidden() -> None:
    assert np.isinf(features.user_features([[np.inf, 0, 0, 0, 0, 0, 0]])[0, 0])


def test_a_row_of_the_wrong_width_is_refused() -> None:
    with pytest.raises(ValueError, match="6 raw values a user, but 7"):
        features.user_features(np.zeros((2, 6)))


def test_a_row_is_made_by_name_whatever_the_order_of_the_mapping() -> None:
    names = [source.feature for source in features.USER_SOURCES]
    values = dict(zip(reversed(names), range(7), strict=True))
    assert features.user_row(values) == [6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]


def test_popularity_of_a_vocabulary_spreads_over_users() -> None:
    found = features.candidate_features(np.zeros((3, 4)), np.zeros((3, 4)), np.arange(4.0), np.arange(4.0))
    assert found.shape == (3, 4, 5)
    assert found.dtype == np.float32
    assert (found[0] == found[2]).all()


@given(fast=counts, slow=counts)
def test_the_trend_stays_within_its_bounds(fast: float, slow: float) -> None:
    assert 0 < features.trend_ratio(fast, slow) < features.TREND_SCALE


@given(rate=counts)
def test_a_steady_item_has_a_trend_of_one(rate: float) -> None:
    assert features.trend_ratio(rate, rate * features.TREND_SCALE) == pytest.approx(1.0)


@given(fast=counts, slow=counts, more=counts)
def test_more_events_in_the_hour_never_lower_the_trend(fast: float, slow: float, more: float) -> None:
    assert features.trend_ratio(fast + more, slow) >= features.trend_ratio(fast, slow)


def test_recent_items_are_cut_and_padded_to_twenty() -> None:
    assert features.recent_items([]).tolist() == [0] * 20
    assert features.recent_items(range(1, 30)).tolist() == list(range(1, 21))


def test_every_source_is_a_declared_feature_of_the_same_window() -> None:
    declared = {(view.name, one.name): one for view in the_shops_views() for one in view.features}
    users = [declared[source.view, source.feature] for source in features.USER_SOURCES]
    items = [declared[source.view, source.feature] for source in features.CANDIDATE_SOURCES]
    windows = [(one.window_ms, one.slide_ms) for one in users[:4]]
    assert windows == [(window.length_ms, window.pane_ms) for window in (*features.WINDOWS, features.WINDOWS[-1])]
    assert {one.window_ms for one in users[4:]} == {features.SESSION_GAP_MS}
    half_lives = [one.window_ms for one in items]
    assert half_lives == [*features.AFFINITY_HALF_LIVES_MS, *features.POPULARITY_HALF_LIVES_MS]
