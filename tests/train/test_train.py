"""A quick training from end to end. Needs the extra `train`; without it there is nothing here to test."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch

from freshet.archive.write import SCHEMA, Files, Filling
from freshet.cli import build_app
from freshet.errors import FreshetError
from freshet.models import export, precision, tiers
from freshet.models.artefact import Artefact
from freshet.models.dataset import read_purchases
from freshet.models.distillation import distil
from freshet.models.examples import Examples
from freshet.models.light import LightModel, Traits
from freshet.models.manifest import FULL_PRECISION, PRECISIONS, Variant, graph_file
from freshet.models.ncf import NeuralCollaborativeFiltering
from freshet.models.preparation import Recipe, negative_weights
from freshet.models.ranker import PADDING_SCORE, Ranker, Shape, listwise_loss
from freshet.models.scorer import OnnxScorer
from freshet.settings import load_settings


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
    assert {one.ranking for one in manifest.baselines} == {"ncf", "popularity", "popularity of the day", "co-visits"}
    for ranking in (manifest.metrics, manifest.light):
        assert [one.candidates for one in ranking] == ["served", "served", "all"]
    for one in (*manifest.metrics, *manifest.light, *manifest.baselines):
        assert 0 < one.mrr < 1
        assert 0 < one.overlap_at_20 <= 1
        assert one.visits > 0


def test_every_graph_is_measured_beside_the_full_one_and_those_that_are_kept_score(trained: Path) -> None:
    manifest = Artefact.load(trained).manifest
    assert [one.precision for one in manifest.variants] == list(PRECISIONS)
    full, *others = manifest.variants
    assert (full.ndcg_loss, full.overlap_at_20, full.max_abs_diff) == (0.0, 1.0, 0.0)
    for one in others:
        assert one.bytes < full.bytes
        assert one.max_abs_diff > 0
        assert precision.is_kept(one) == (one.precision in manifest.precisions)
    for name in manifest.precisions:
        scorer = OnnxScorer.load(trained, ("CPUExecutionProvider",), name)
        padding = np.array([[1, 0]])
        batch = (np.ones((1, 20), np.int64), padding, np.zeros((1, 7), np.float32), np.zeros((1, 2, 5), np.float32))
        assert scorer.score(*batch)[0, 1] == np.float32(PADDING_SCORE)


def test_a_graph_that_ranks_too_differently_is_not_kept(
    trained: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    figures = {"ndcg_at_20": 0.1, "max_abs_diff": 1.0, "cpu_us_a_user": 1.0, "bytes": 1}
    losses = {FULL_PRECISION: 0.0, "fp16": precision.MOST_NDCG_LOSS + 1e-6, "int8": float("nan")}
    variants = tuple(
        Variant.model_validate({"precision": name, "ndcg_loss": loss, "overlap_at_20": 1.0, **figures})
        for name, loss in losses.items()
    )
    monkeypatch.setattr(export, "measured_variants", lambda *_: variants)
    for name in PRECISIONS:
        (tmp_path / graph_file(name)).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        export.kept_variants(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == [graph_file(FULL_PRECISION)]
    assert "model.fp16.onnx is not kept: it loses 1.00 % of NDCG@20" in caplog.text


def test_purchases_alone_give_probabilities_of_purchases_alone(trained: Path) -> None:
    manifest = Artefact.load(trained).manifest
    assert [one.outcome for one in manifest.calibrations] == ["purchase"]
    assert manifest.data.horizon_ms == 0


def test_a_worker_loads_what_was_trained(trained: Path) -> None:
    assert tiers.load(trained, ("CPUExecutionProvider",)).tier == "full-cpu"
    (trained / graph_file(FULL_PRECISION)).rename(trained / "away")
    assert tiers.load_best(trained, ("CPUExecutionProvider",)).tier == "light"
    (trained / "away").rename(trained / graph_file(FULL_PRECISION))


@pytest.fixture(scope="module")
def shops_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive in which some households look at what they buy, and click on most of it."""
    folder = tmp_path_factory.mktemp("archive")
    filling = Filling(partition=0, block=0)
    generator = np.random.default_rng(1)
    offset = 0
    purchases = read_purchases(60)
    for row in purchases.replace({float("nan"): None}).to_dict("records"):
        for minute, kind in ((20, "view"), (10, "click"), (0, "purchase")):
            if kind == "click" and generator.random() < 0.3:
                continue
            event: dict[str, Any] = dict.fromkeys(SCHEMA.names)
            event |= {"event_id": str(offset), "subject": row["user"], "item_id": row["item"], "event_type": kind}
            event |= {"event_time": row["at"] - minute * 60_000 - offset % 97, "value": row["value"], "context": {}}
            event |= {"department": row["department"], "category": row["category"], "product_type": row["kind"]}
            filling.add(event | {"source_partition": 0, "source_offset": offset}, offset)
            offset += 1
    filling.write(Files(str(folder)))
    return folder


def test_training_on_the_archive_learns_clicks_and_purchases(
    shops_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_ARCHIVE__PATH", str(shops_archive))
    load_settings.cache_clear()
    options = ["train", "--quick", "--archive", "--since", "2017-10-01", "--out", str(tmp_path)]
    build_app("train")(options, standalone_mode=False)
    load_settings.cache_clear()
    manifest = Artefact.load(tmp_path / "home-ranker" / "1").manifest
    assert set(manifest.data.outcomes) == {"purchase", "click"}
    assert manifest.data.horizon_ms == 30 * 60_000
    assert manifest.data.training_since.isoformat() == "2017-10-01"
    rates = {one.outcome: one.rate for one in manifest.calibrations}
    assert rates.keys() == {"purchase", "click"}
    chances = [manifest.probability([[3.0, 1.0, 0.0]], outcome)[0] for outcome in rates]
    assert all(chance.shape == (3,) and (np.diff(chance) <= 0).all() for chance in chances)


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


def test_ncf_scores_padding_below_everything_and_looks_at_items_alone() -> None:
    torch.manual_seed(1)
    network = NeuralCollaborativeFiltering(Shape(30, 4, 5), torch.randint(0, 4, (30,)), torch.randint(0, 5, (30,)))
    recent, candidates = torch.randint(1, 30, (2, 20)), torch.randint(1, 30, (2, 6))
    candidates[0, 3] = 0
    quiet, loud = torch.zeros(2, 7), torch.ones(2, 7)
    scores = network(recent, candidates, quiet, torch.zeros(2, 6, 5))
    assert scores[0, 3] == PADDING_SCORE
    assert torch.equal(scores, network(recent, candidates, loud, torch.ones(2, 6, 5)))
    assert not torch.allclose(scores, network(recent.roll(1, 0), candidates, quiet, torch.zeros(2, 6, 5)))
    padded = torch.cat([recent[:, :5], torch.zeros(2, 15, dtype=torch.int64)], dim=1)
    shuffled = padded[:, torch.randperm(20)]
    assert torch.allclose(
        network(padded, candidates, quiet, quiet), network(shuffled, candidates, quiet, quiet), atol=1e-6
    )


def test_a_light_model_learns_a_teacher_that_it_can_express() -> None:
    generator = np.random.default_rng(4)
    artefact = Artefact.load()
    traits = Traits.of(artefact.covisits, artefact.vocabulary.item_category)
    examples = Examples(
        recent_items=generator.integers(0, 500, (400, 20)),
        candidates=generator.integers(1, 500, (400, 50)),
        user_features=generator.random((400, 7), np.float32),
        candidate_features=generator.random((400, 50, 5), np.float32),
        bought=np.zeros((400, 50), np.bool_),
        clicked=np.zeros((400, 50), np.bool_),
        to_find=np.ones(400, np.int64),
    )

    def teacher(one: Examples) -> Any:
        return one.candidate_features[..., 0] * (1 + 2 * one.user_features[:, :1]) - 2 * one.candidate_features[..., 3]

    learnt = LightModel(distil([examples], teacher, traits, seed=1), traits, "test/1")
    inputs = (examples.recent_items, examples.candidates, examples.user_features, examples.candidate_features)
    mine, theirs = learnt.score(*inputs), teacher(examples)
    likeness = [np.corrcoef(left, right)[0, 1] for left, right in zip(mine, theirs, strict=True)]
    assert np.median(likeness) > 0.99
    assert min(likeness) > 0.9
