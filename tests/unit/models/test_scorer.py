import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil
import pytest
from numpy.typing import NDArray

from freshet.models import features
from freshet.models.artefact import default_folder
from freshet.models.manifest import MODEL
from freshet.models.scorer import CPU, CPU_RUN_USERS, CUDA, NotScorable, OnnxScorer, open_session, session_options

Batch = tuple[NDArray[Any], ...]


@pytest.fixture(scope="module")
def ranker() -> OnnxScorer:
    return OnnxScorer.load(providers=(CPU,))


def a_batch(users: int, candidates: int, seed: int = 1) -> Batch:
    generator = np.random.default_rng(seed)
    return (
        generator.integers(0, 1000, (users, features.RECENT)),
        generator.integers(1, 1000, (users, candidates)),
        generator.random((users, features.USER_WIDTH), np.float32),
        generator.random((users, candidates, features.CANDIDATE_WIDTH), np.float32),
    )


@pytest.mark.parametrize(("users", "candidates"), [(1, 1), (1, 200), (3, 7), (32, 200), (2, 1000)])
def test_every_candidate_gets_a_score(users: int, candidates: int, ranker: OnnxScorer) -> None:
    scores = ranker.score(*a_batch(users, candidates))
    assert scores.shape == (users, candidates)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("users", [5, CPU_RUN_USERS, 2 * CPU_RUN_USERS + 3])
def test_a_score_does_not_depend_on_who_else_is_in_the_batch(users: int, ranker: OnnxScorer) -> None:
    batch = a_batch(users, 40)
    together = ranker.score(*batch)
    alone = np.concatenate([ranker.score(*(part[row : row + 1] for part in batch)) for row in range(users)])
    assert np.allclose(together, alone, atol=1e-5)


def test_a_score_goes_with_its_candidate(ranker: OnnxScorer) -> None:
    recent, candidates, user, candidate = a_batch(1, 50)
    order = np.random.default_rng(3).permutation(50)
    scores = ranker.score(recent, candidates, user, candidate)
    shuffled = ranker.score(recent, candidates[:, order], user, candidate[:, order])
    assert np.allclose(shuffled, scores[:, order], atol=1e-5)


def test_recent_items_change_the_scores(ranker: OnnxScorer) -> None:
    recent, *rest = a_batch(1, 50)
    assert not np.allclose(ranker.score(recent, *rest), ranker.score(np.zeros_like(recent), *rest))


def test_padding_scores_below_everything(ranker: OnnxScorer) -> None:
    batch = a_batch(2, 10)
    batch[1][:, 4:] = 0
    scores = ranker.score(*batch)
    assert (scores[:, 4:] == -1e9).all()
    assert (scores[:, :4] > -1e3).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", [2, 3])
def test_a_feature_that_is_no_number_is_refused(wrong: float, part: int, ranker: OnnxScorer) -> None:
    batch = a_batch(2, 10)
    batch[part].flat[-1] = wrong
    with pytest.raises(NotScorable, match="holds NaN or infinity"):
        ranker.score(*batch)


@pytest.mark.parametrize("wrong", [-1, 10**6])
@pytest.mark.parametrize("part", [0, 1])
def test_an_index_that_is_not_of_the_model_is_refused(wrong: int, part: int, ranker: OnnxScorer) -> None:
    batch = a_batch(2, 10)
    batch[part].flat[-1] = wrong
    with pytest.raises(NotScorable, match="is not between 0 and"):
        ranker.score(*batch)


def test_inputs_of_the_wrong_shape_are_refused(ranker: OnnxScorer) -> None:
    recent, candidates, user, candidate = a_batch(2, 10)
    with pytest.raises(NotScorable, match="ONNX Runtime refused the inputs"):
        ranker.score(recent[:, :5], candidates, user, candidate)


def test_it_says_what_it_is(ranker: OnnxScorer) -> None:
    assert (ranker.provider, ranker.tier) == (CPU, "full-cpu")
    assert ranker.version == f"home-ranker/{default_folder().name}"


def test_the_options_reach_the_session(ranker: OnnxScorer) -> None:
    options = ranker._session.get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.inter_op_num_threads == 1
    assert options.enable_mem_pattern is False
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_session_starts_no_thread() -> None:
    before = psutil.Process().num_threads()
    session = open_session((default_folder() / MODEL).read_bytes(), (CPU,))
    assert psutil.Process().num_threads() == before
    assert session.get_providers() == [CPU]


def test_a_session_of_default_options_starts_threads_where_there_are_cores() -> None:
    # Without this the test above could not fail.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 3
    before = psutil.Process().num_threads()
    session = onnxruntime.InferenceSession((default_folder() / MODEL).read_bytes(), options)
    assert psutil.Process().num_threads() == before + 2
    assert session.get_session_options().intra_op_num_threads != session_options().intra_op_num_threads


def test_a_provider_that_is_offered_but_broken_falls_back_with_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", without_cuda(onnxruntime.InferenceSession))
    with caplog.at_level(logging.WARNING):
        loaded = OnnxScorer.load()
    assert (loaded.provider, loaded.tier) == (CPU, "full-cpu")
    assert [record.getMessage() for record in caplog.records] == [
        f"{CUDA} does not work here (its libraries cannot be loaded)"
    ]


def without_cuda(real: type) -> object:
    """Do as a GPU build does on a machine without CUDA: leave the provider out and say nothing."""

    def open_it(model: bytes, options: object, *, providers: list[str], **rest: object) -> object:
        return real(model, options, providers=[one for one in providers if one != CUDA], **rest)

    return open_it


def test_a_provider_that_raises_falls_back_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def open_it(model: bytes, options: object, *, providers: list[str], **rest: object) -> object:
        if CUDA in providers:
            raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected\nat line 7")
        return onnxruntime_session(model, options, providers=providers, **rest)

    onnxruntime_session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", open_it)
    with caplog.at_level(logging.WARNING):
        assert OnnxScorer.load().provider == CPU
    assert [record.getMessage() for record in caplog.records] == [
        f"{CUDA} does not work here (CUDA failure 100: no CUDA-capable device is detected)"
    ]


def test_a_provider_that_this_build_lacks_is_named_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert OnnxScorer.load(providers=("NoSuchExecutionProvider",)).provider == CPU
    (record,) = caplog.records
    assert "has no NoSuchExecutionProvider" in record.getMessage()


def test_a_damaged_artefact_is_not_loaded(artefact_folder: Path) -> None:
    (artefact_folder / MODEL).write_bytes(b"")
    with pytest.raises(Exception, match="is not the file that was trained"):
        OnnxScorer.load(artefact_folder)


def test_serving_needs_neither_torch_nor_pandas(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = sys.modules['pandas'] = None; "
        "from freshet.models.scorer import OnnxScorer; from freshet.models.artefact import Artefact; "
        "Artefact.load(); print(OnnxScorer.load(providers=('CPUExecutionProvider',)).tier)"
    )
    # Elsewhere, since here the folder `freshet/` would be taken for the package.
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert found.stdout.strip() == "full-cpu"
