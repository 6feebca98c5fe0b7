import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.errors import FreshetError
from freshet.models.artefact import default_folder
from freshet.models.calibration import Platt, calibration_error, fit_platt, log_loss, log_shares, reliability, sigmoid
from freshet.models.manifest import Manifest

scores = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=20)


@given(scores, st.floats(-50, 50))
def test_shares_add_up_to_one_and_do_not_depend_on_where_a_users_scores_lie(row: list[float], shift: float) -> None:
    shares = np.exp(log_shares([row]))
    assert shares.sum() == pytest.approx(1.0)
    assert np.allclose(np.exp(log_shares([[score + shift for score in row]])), shares)


@given(scores, st.integers(1, 5))
def test_padding_has_no_share_and_takes_none(row: list[float], padding: int) -> None:
    padded = log_shares([row + [-1e9] * padding])
    assert np.allclose(padded[:, : len(row)], log_shares([row]))
    assert (padded[:, len(row) :] == -np.inf).all()


def test_a_row_of_padding_alone_has_no_probability() -> None:
    assert Platt(1.0, 0.0).probability([[-1e9, -1e9]]).tolist() == [[0.0, 0.0]]


@given(scores, st.floats(0.1, 3.0), st.floats(-3.0, 3.0))
def test_probabilities_rank_as_the_scores_do(row: list[float], slope: float, offset: float) -> None:
    found = Platt(slope, offset).probability([row])[0]
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found[np.argsort(row, kind="stable")]) >= 0).all()


@pytest.mark.parametrize("true", [Platt(1.0, 0.0), Platt(0.6, -1.5), Platt(1.7, 2.0)])
def test_the_numbers_that_made_the_outcomes_are_found_again(true: Platt) -> None:
    generator = np.random.default_rng(5)
    row = generator.normal(0.0, 2.0, (20_000, 10))
    odds = true.slope * log_shares(row) + true.offset
    found = fit_platt(row, generator.random(row.shape) < sigmoid(odds))
    assert found == pytest.approx(true, abs=0.06)


@pytest.mark.parametrize("all_or_none", [True, False])
def test_outcomes_that_are_all_alike_leave_the_numbers_finite(all_or_none: bool) -> None:
    row = np.random.default_rng(1).normal(size=(50, 4))
    assert np.isfinite(fit_platt(row, np.full(row.shape, all_or_none))).all()


def test_groups_hold_all_candidates_from_the_least_likely_on() -> None:
    foreseen = np.array([0.9, 0.1, 0.2, 0.8])
    groups = reliability(foreseen, np.array([True, False, True, True]), bins=2)
    assert [(one.candidates, one.observed) for one in groups] == [(2, 0.5), (2, 1.0)]
    assert [one.foreseen for one in groups] == pytest.approx([0.15, 0.85])
    assert calibration_error(groups) == pytest.approx((0.35 + 0.15) / 2)


def test_a_probability_that_was_wrong_for_certain_costs_much_but_not_everything() -> None:
    assert 20 < log_loss([0.0], np.array([True])) < 30


def test_the_model_that_ships_foresees_purchases_better_than_their_rate_does() -> None:
    (one,) = Manifest.read(default_folder()).calibrations
    assert one.outcome == "purchase"
    assert one.log_loss < one.log_loss_of_rate
    assert one.calibration_error < 0.1 * one.rate
    assert calibration_error(one.reliability) == pytest.approx(one.calibration_error)


def test_a_manifest_gives_the_probability_of_an_outcome_that_it_knows_and_refuses_another() -> None:
    manifest = Manifest.read(default_folder())
    (found,) = manifest.probability([[2.0, 1.0, -1e9]], "purchase")
    assert 0 < found[1] < found[0] < 1
    assert found[2] == 0
    with pytest.raises(FreshetError, match="has learnt no probability of a click"):
        manifest.probability([[2.0]], "click")
