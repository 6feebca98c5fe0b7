"""The light model: its inputs are what their names say, its scores are numbers, and its file is small and checked."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.models import features
from freshet.models.artefact import Artefact, default_folder
from freshet.models.candidates import CovisitTable
from freshet.models.light import (
    CONTEXT,
    FEATURES,
    LEAST_COVISIT,
    PADDING_SCORE,
    LightModel,
    Parameters,
    Traits,
    candidate_inputs,
    context_inputs,
)
from freshet.models.manifest import LIGHT, Manifest

# Items 1, 2 and 3 are bread, 4 is milk, 5 has no category; 2 and 4 follow 1, and 4 follows 3.
CATEGORY = np.array([0, 1, 1, 1, 2, 0], np.int32)
NEIGHBOURS = np.array([[0, 0], [2, 4], [0, 0], [4, 0], [0, 0], [0, 0]], np.int32)
SCORES = np.array([[0, 0], [0.5, 0.2], [0, 0], [0.1, 0], [0, 0], [0, 0]], np.float32)
TRAITS = Traits.of(CovisitTable(NEIGHBOURS, SCORES), CATEGORY)

rows = st.lists(st.integers(0, 5), min_size=0, max_size=features.RECENT)


def padded(items: list[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return features.recent_items(items)[None]


@given(recent=rows, candidates=st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_every_input_is_what_its_name_says(recent: list[int], candidates: list[int]) -> None:
    given_features = np.random.default_rng(1).random((1, len(candidates), features.CANDIDATE_WIDTH), np.float32)
    (found,) = candidate_inputs(padded(recent), np.array([candidates]), given_features, TRAITS)
    for place, item in enumerate(candidates):
        covisit = sum(
            float(score)
            for seen in recent
            for neighbour, score in zip(NEIGHBOURS[seen], SCORES[seen], strict=True)
            if neighbour == item and score > 0 and item not in recent
        )
        kin = [other for other in recent if CATEGORY[item] and CATEGORY[other] == CATEGORY[item]]
        before = [other for other in range(1 if CATEGORY[item] else 0, item) if CATEGORY[other] == CATEGORY[item]]
        expected = [
            math.log(max(covisit, LEAST_COVISIT) / LEAST_COVISIT),
            float(covisit > 0),
            math.log(max(item, 1)),
            len(kin) / features.RECENT,
            math.log1p(len(before)),
        ]
        assert found[place, : features.CANDIDATE_WIDTH] == pytest.approx(given_features[0, place])
        assert found[place, features.CANDIDATE_WIDTH :] == pytest.approx(expected, abs=1e-6)


def test_the_context_is_a_one_the_users_features_and_how_much_is_known_of_him() -> None:
    user = np.arange(features.USER_WIDTH, dtype=np.float32)[None]
    assert context_inputs(padded([1, 2, 3, 4, 5]), user)[0].tolist() == [1.0, *range(features.USER_WIDTH), 0.25]


def test_a_score_is_the_candidates_features_times_the_users_own_weights() -> None:
    generator = np.random.default_rng(2)
    parameters = some_parameters(generator)
    recent, candidates = padded([1, 3]), np.array([[2, 4, 0]])
    user = generator.random((1, features.USER_WIDTH), np.float32)
    candidate = generator.random((1, 3, features.CANDIDATE_WIDTH), np.float32)
    (found,) = LightModel(parameters, TRAITS, "test/1").score(recent, candidates, user, candidate)
    inputs = candidate_inputs(recent, candidates, candidate, TRAITS)[0]
    context = context_inputs(recent, user)[0]
    for place in (0, 1):
        scaled = (inputs[place] - parameters.centre) / parameters.scale
        own = np.array(parameters.weights) + np.array(parameters.left) @ (np.array(parameters.right).T @ context)
        assert found[place] == pytest.approx(float(scaled @ own), rel=1e-5)
    assert found[2] == np.float32(PADDING_SCORE)


def some_parameters(generator: np.random.Generator) -> Parameters:
    def numbers(*shape: int) -> Any:
        return generator.normal(size=shape).tolist()

    return Parameters(
        features=FEATURES,
        context=CONTEXT,
        centre=numbers(len(FEATURES)),
        scale=(2.0,) * len(FEATURES),
        weights=numbers(len(FEATURES)),
        left=numbers(len(FEATURES), 2),
        right=numbers(len(CONTEXT), 2),
    )


@given(
    items=st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=6),
    value=st.sampled_from([math.nan, math.inf, -math.inf, 1e38, -1e38]),
)
def test_no_input_makes_a_score_that_is_no_number(items: list[int], value: float) -> None:
    model = LightModel(some_parameters(np.random.default_rng(3)), TRAITS, "test/1")
    recent, candidates = np.full((1, features.RECENT), items[0]), np.array([items])
    user = np.full((1, features.USER_WIDTH), value, np.float32)
    candidate = np.full((1, len(items), features.CANDIDATE_WIDTH), value, np.float32)
    assert np.isfinite(model.score(recent, candidates, user, candidate)).all()


def test_inputs_of_the_wrong_shape_are_refused() -> None:
    model = Artefact.load().light()
    inputs = (np.zeros((2, 20), np.int64), np.ones((2, 3), np.int64), np.zeros((2, 7), np.float32))
    for candidate in (np.zeros((2, 4, 5), np.float32), np.zeros((2, 3, 4), np.float32), np.zeros((2, 3), np.float32)):
        with pytest.raises(ValueError, match="the inputs have shapes"):
            model.score(*inputs, candidate)


def test_an_empty_batch_has_no_scores() -> None:
    empty = (np.zeros((0, 20), np.int64), np.ones((0, 3), np.int64), np.zeros((0, 7), np.float32))
    assert Artefact.load().light().score(*empty, np.zeros((0, 3, 5), np.float32)).shape == (0, 3)


def test_the_file_that_ships_is_small_and_comes_back_as_it_was(tmp_path: Path) -> None:
    path = default_folder() / LIGHT
    assert path.stat().st_size < 2500
    Parameters.read(path).write(tmp_path / LIGHT)
    assert (tmp_path / LIGHT).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"features": ["something else", *FEATURES[1:]]},
        {"weights": [0.5] * (len(FEATURES) - 1)},
        {"right": [[0.5]] * len(CONTEXT), "left": [[0.5, 0.5]] * len(FEATURES)},
        {"scale": [0.0] * len(FEATURES)},
        {"weights": None},
    ],
)
def test_a_file_of_other_numbers_than_its_features_need_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    value = json.loads((default_folder() / LIGHT).read_text())
    (tmp_path / LIGHT).write_text(json.dumps(value | change))
    with pytest.raises(ValueError, match=r"light\.json"):
        Parameters.read(tmp_path / LIGHT)


def test_the_light_model_that_ships_beats_popularity_and_co_visits_on_what_is_served() -> None:
    manifest = Manifest.read(default_folder())
    for mine in manifest.light:
        for theirs in manifest.baselines:
            served = (theirs.candidates, theirs.moment) == (
                mine.candidates,
                mine.moment,
            ) and mine.candidates == "served"
            if served and theirs.ranking != "ncf":
                assert theirs.ndcg_at_20 < mine.ndcg_at_20
        assert mine.overlap_at_20 > 0.4


def test_the_light_tier_needs_no_onnx_runtime(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['onnxruntime'] = None; "
        "from freshet.models.tiers import load_best; print(load_best().tier)"
    )
    # Elsewhere, since here the folder `freshet/` would be taken for the package.
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert found.stdout.strip() == "light"
