"""A quick training from end to end. Needs the extra `train`; without it there is nothing here to test."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch

from freshet.cli import build_app
from freshet.errors import FreshetError
from freshet.models import export
from freshet.models.artefact import Artefact
from freshet.models.preparation import Recipe, negative_weights
from freshet.models.ranker import PADDING_SCORE, Ranker, Shape, listwise_loss
from freshet.models.scorer import OnnxScorer


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a model of some households, and return its folder."""
    out = tmp_path_factory.mktemp("models")
    build_app("train")(["train", "--quick", "--out", str(out)], standalone_mode=False)
    return out / "home-ranker" / "1"


def a_ranker(items: int = 30) -> Ranker:
    torch.manual_seed(1)
    return Ranker(Shape(items, 4, 5), torch.randint(0, 4, (items,)), torch.randint(0, 5, (items,)))


def test_a_quick_training_makes_an_artefact_that_scores(trained: Path) -> None:
    artefact, scorer = Artefact.load(trained), OnnxScorer.load(trained, ("CPUExecutionProvider",))
    recent = np.zeros((2, 20), np.int64)
    recent[0, 0] = 1
    found = [artefact.candidates(row, 50) for row in recent]
    batch = np.stack([one.indices for one in found])
    scores = scorer.score(recent, batch, np.zeros((2, 7), np.float32), np.zeros((2, 50, 5), np.float32))
    assert scores.shape == (2, 50)
    assert np.ptp(scores[0]) > 0


def test_its_manifest_tells_the_figures_beside_those_of_the_baselines(trained: Path) -> None:
    manifest = Artefact.load(trained).manifest
    assert manifest.parity_max_abs_diff <= export.TOLERANCE
    assert {one.ranking for one in manifest.baselines} == {"popularity", "popularity of the day", "co-visits"}
    assert [one.candidates for one in manifest.metrics] == ["served", "served", "all"]
    for one in (*manifest.metrics, *manifest.baselines):
        assert 0 < one.mrr < 1
        assert one.visits > 0


def test_a_second_training_takes_the_next_version_and_speaks_json(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["train", "--quick", "--out", str(trained.parents[1]), "--json"]
    build_app("train")(options, standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == "2"
    first, second = Artefact.load(trained), Artefact.load(Path(told["folder"]))
    # The same seed and data: the same model.
    assert (first.covisits.neighbours == second.covisits.neighbours).all()
    assert first.manifest.metrics == second.manifest.metrics


def test_a_version_that_is_there_is_not_written_over(trained: Path) -> None:
    with pytest.raises(FreshetError, match="is there already"):
        build_app("train")(["train", "--out", str(trained.parents[1]), "--version", "1"], standalone_mode=False)


def test_a_graph_that_scores_otherwise_is_refused(trained: Path) -> None:
    stranger = a_ranker(items=Artefact.load(trained).manifest.items + 1)
    sample = export.random_inputs(stranger, users=20, candidates=10)
    with pytest.raises(FreshetError, match="The ONNX graph differs from torch by"):
        export.parity(stranger, trained / "model.onnx", sample)


def test_the_served_model_scores_as_the_trained_one() -> None:
    ranker = a_ranker().eval()
    inputs = export.random_inputs(ranker, users=4, candidates=9)
    assert torch.allclose(ranker(*inputs), ranker.served()(*inputs), atol=1e-6)


def test_padding_takes_no_part() -> None:
    ranker = a_ranker().eval()
    recent, candidates, user, candidate = export.random_inputs(ranker, users=2, candidates=9)
    candidates[:, -1] = 0
    scores = ranker(recent, candidates, user, candidate)
    assert (scores[:, -1] == PADDING_SCORE).all()
    recent[:, 5:] = 0
    longer = recent.clone()
    longer[:, :5] = recent[:, :5]
    assert torch.equal(ranker(recent, candidates, user, candidate), ranker(longer, candidates, user, candidate))


def test_the_loss_is_the_weighted_softmax_of_each_item_bought() -> None:
    scores, bought = torch.tensor([[1.0, 2.0, 0.5, -1.0]]), torch.tensor([[True, False, True, False]])
    weights = torch.tensor([1.0, 3.0, 1.0, 7.0])
    odds = 3 * torch.exp(torch.tensor(2.0)) + 7 * torch.exp(torch.tensor(-1.0))
    each = [-torch.log(torch.exp(score) / (torch.exp(score) + odds)) for score in scores[0, bought[0]]]
    assert torch.isclose(listwise_loss(scores, bought, weights.log()), torch.stack(each).mean())


def test_the_negatives_stand_for_the_whole_vocabulary() -> None:
    recipe = Recipe()
    weights = np.exp(negative_weights(6000, recipe))[recipe.positives :]
    assert weights.sum() == pytest.approx(6000, rel=1e-5)
