"""Runs in memory that stays bound, here on the CPU: what they return is what the plain session returns."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from freshet.models import features
from freshet.models.artefact import default_folder
from freshet.models.bound_runs import SIZES, BoundRuns
from freshet.models.manifest import MODEL
from freshet.models.scorer import CPU, OnnxScorer, open_session

CANDIDATES = 20


@pytest.fixture(scope="module")
def bound() -> BoundRuns:
    return BoundRuns(open_session((default_folder() / MODEL).read_bytes(), (CPU,)), "cpu")


def some_feeds(users: int, seed: int = 1, candidates: int = CANDIDATES) -> dict[str, NDArray[Any]]:
    generator = np.random.default_rng(seed)
    return {
        "recent_items": generator.integers(0, 1000, (users, features.RECENT)),
        "candidates": generator.integers(1, 1000, (users, candidates)),
        "user_features": generator.random((users, features.USER_WIDTH), np.float32),
        "candidate_features": generator.random((users, candidates, features.CANDIDATE_WIDTH), np.float32),
    }


@pytest.mark.parametrize("users", [1, 2, 3, 31, 32, 33])
def test_the_scores_are_those_of_the_plain_session(users: int, bound: BoundRuns) -> None:
    feeds = some_feeds(users)
    assert np.allclose(bound.run(feeds), bound.session.run(None, feeds)[0], atol=1e-5)


def test_scores_outlive_the_next_run(bound: BoundRuns) -> None:
    first = bound.run(some_feeds(5))
    kept = first.copy()
    bound.run(some_feeds(5, seed=2))
    assert (first == kept).all()


def test_what_an_earlier_batch_left_is_in_no_score(bound: BoundRuns) -> None:
    bound.run(some_feeds(8, seed=3))
    feeds = some_feeds(5, seed=4)
    found = bound.run(feeds)
    assert found.shape == (5, CANDIDATES)
    assert np.allclose(found, bound.session.run(None, feeds)[0], atol=1e-5)


def test_batches_of_any_size_meet_the_session_in_few_shapes() -> None:
    bound = BoundRuns(open_session((default_folder() / MODEL).read_bytes(), (CPU,)), "cpu")
    for users in range(1, 65):
        bound.run(some_feeds(users))
    assert [shapes[0][0] for shapes in bound._places] == [size for size in SIZES if size <= 64]


def test_the_scorer_cuts_what_exceeds_the_largest_size(bound: BoundRuns) -> None:
    plain = OnnxScorer.load(providers=(CPU,))
    scorer = OnnxScorer(plain.manifest, plain.provider, plain._session, bound)
    feeds = some_feeds(SIZES[-1] + 3, candidates=2)
    assert np.allclose(scorer.score(*feeds.values()), plain.score(*feeds.values()), atol=1e-5)
