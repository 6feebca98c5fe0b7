"""Turns a trained ranker into an artefact: an ONNX file that scores as torch does, and all it needs. Needs torch."""

# mypy: allow-untyped-calls
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import torch
from torch import Tensor

import freshet
from freshet.errors import FreshetError
from freshet.models import features
from freshet.models.artefact import Artefact
from freshet.models.dataset import Split, outcome_counts
from freshet.models.examples import Examples
from freshet.models.manifest import (
    BATCH,
    COUNT,
    COVISITS,
    FACTORS,
    FILES,
    FULL_PRECISION,
    GRAPHS,
    ITEMS,
    LIGHT,
    MODEL,
    Data,
    Manifest,
    Variant,
    described,
    graph_file,
    input_tensors,
    output_tensor,
)
from freshet.models.precision import is_kept, measured_variants, write_variants
from freshet.models.preparation import Recipe, horizon_of
from freshet.models.ranker import Ranker
from freshet.models.scorer import OnnxScorer, open_session
from freshet.models.training import LIGHT as LIGHT_RANKING
from freshet.models.training import Trained

LOG = logging.getLogger(__name__)

OPSET = 18

TOLERANCE = 1e-4
"""Most that a score of the graph may differ from torch's."""

RANDOM_SHAPES = ((1, 1), (1, 200), (2, 7), (8, 200), (33, 64))
"""Users and candidates of the random batches that the graph is compared on."""

Inputs = tuple[Tensor, ...]


def write_artefact(trained: Trained, folder: Path, name: str, version: str, data: Data, recipe: Recipe) -> Manifest:
    """Write the graphs, light.json, items.json, covisits.npz, als.npz and manifest.json into a folder, and load them back.

    Raises:
        FreshetError: the graph does not score as torch does, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_parts(trained, folder)
    except OSError as error:
        raise FreshetError(f"{folder} cannot be written ({error.strerror}): give another folder with --out.") from None
    difference = parity(trained.ranker, folder / MODEL, trained.sample)
    variants = kept_variants(folder, trained.test)
    apart = {name, LIGHT_RANKING}
    manifest = Manifest(
        name=name,
        version=version,
        created=datetime.now(timezone.utc).replace(microsecond=0),
        code_version=freshet.__version__,
        opset=OPSET,
        items=len(trained.prepared.vocabulary),
        inputs=input_tensors(),
        output=output_tensor(),
        user_sources=features.USER_SOURCES,
        candidate_sources=features.CANDIDATE_SOURCES,
        data=data,
        seed=recipe.seed,
        parity_max_abs_diff=difference,
        metrics=tuple(one for one in trained.evaluations if one.ranking == name),
        baselines=tuple(one for one in trained.evaluations if one.ranking not in apart),
        light=tuple(one for one in trained.evaluations if one.ranking == LIGHT_RANKING),
        calibrations=trained.calibrations,
        variants=variants,
        files={file: described(folder / file) for file in files_in(folder)},
    )
    manifest.write(folder)
    artefact = Artefact.load(folder)
    for precision in manifest.precisions:
        OnnxScorer.load(artefact.folder, precision=precision)
    return manifest


def write_parts(trained: Trained, folder: Path) -> None:
    """Write all files but the manifest."""
    export_onnx(trained.ranker, folder / MODEL)
    write_variants(folder)
    trained.light.write(folder / LIGHT)
    trained.prepared.vocabulary.write(folder / ITEMS)
    trained.prepared.table.write(folder / COVISITS)
    trained.prepared.factors.write(folder / FACTORS)


def kept_variants(folder: Path, examples: Sequence[Examples]) -> tuple[Variant, ...]:
    """Measure the graph in every precision and remove the files of those that rank too differently."""
    variants = measured_variants(folder, examples)
    for one in variants:
        if one.precision != FULL_PRECISION and not is_kept(one):
            LOG.warning(
                "%s is not kept: it loses %.2f %% of NDCG@20 and lists %.1f %% of the full model's first 20",
                graph_file(one.precision),
                100 * one.ndcg_loss,
                100 * one.overlap_at_20,
            )
            (folder / graph_file(one.precision)).unlink()
    return variants


def files_in(folder: Path) -> list[str]:
    """Return the files of an artefact beside its manifest."""
    return [*FILES, *(name for name in (FACTORS, *GRAPHS) if (folder / name).exists() and name not in FILES)]


def described_data(log: pd.DataFrame, name: str, split: Split) -> Data:
    """Describe the training data."""
    return Data(
        name=name,
        events=len(log),
        outcomes=outcome_counts(log),
        horizon_ms=horizon_of(log),
        users=int(log["user"].nunique()),
        training_since=split.since,
        validation_since=split.validation,
        test_since=split.test,
        test_until=split.until,
    )


def export_onnx(ranker: Ranker, path: Path) -> None:
    """Write the ranker as one ONNX file with dynamic users and candidates."""
    batch, count = torch.export.Dim(BATCH, min=1), torch.export.Dim(COUNT, min=1)
    one_axis, two_axes = {0: batch}, {0: batch, 1: count}
    names = [tensor.name for tensor in input_tensors()]
    with _quiet():
        program = torch.onnx.export(
            ranker.served().eval(),
            random_inputs(ranker, users=3, candidates=11),
            input_names=names,
            output_names=[output_tensor().name],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=dict(zip(names, (one_axis, two_axes, one_axis, two_axes), strict=True)),
            verbose=False,
        )
    onnx.save_model(without_origins(program.model_proto), str(path))


def without_origins(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without notes on which line of which file made each node: they hold paths of this machine."""
    del model.metadata_props[:]
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        part.doc_string = ""
        del part.metadata_props[:]
    for constant in model.graph.initializer:
        constant.doc_string = ""
        del constant.metadata_props[:]
    return model


def parity(ranker: Ranker, path: Path, sample: Inputs) -> float:
    """Return the largest difference between the scores of torch and of the exported file.

    Args:
        ranker: the trained model.
        path: the exported file.
        sample: the four inputs of some real examples.

    Raises:
        FreshetError: it is above the tolerance.
    """
    session = open_session(path.read_bytes(), ("CPUExecutionProvider",))
    names = [tensor.name for tensor in input_tensors()]
    largest = 0.0
    for inputs in _batches(ranker, sample):
        with torch.no_grad():
            expected = ranker.eval()(*inputs).numpy()
        found = session.run(None, dict(zip(names, (part.numpy() for part in inputs), strict=True)))[0]
        largest = max(largest, float(np.abs(expected - found).max()))
    if not largest <= TOLERANCE:
        raise FreshetError(f"The ONNX graph differs from torch by {largest:.2g}: try another version of torch.")
    return largest


def _batches(ranker: Ranker, sample: Inputs) -> Iterator[Inputs]:
    yield from (random_inputs(ranker, users, candidates) for users, candidates in RANDOM_SHAPES)
    recent, chosen, user, candidate = sample
    for users, candidates in ((1, chosen.shape[1]), (9, 5), (len(recent), chosen.shape[1])):
        yield recent[:users], chosen[:users, :candidates], user[:users], candidate[:users, :candidates]


def random_inputs(ranker: Ranker, users: int, candidates: int) -> Inputs:
    """Return inputs of these sizes with indices from the whole vocabulary and padding among them."""
    generator = torch.Generator().manual_seed(users * 1000 + candidates)
    items = len(ranker.bias.weight)
    return (
        torch.randint(0, items, (users, features.RECENT), generator=generator),
        torch.randint(0, items, (users, candidates), generator=generator),
        torch.rand((users, features.USER_WIDTH), generator=generator) * 5,
        torch.rand((users, candidates, features.CANDIDATE_WIDTH), generator=generator) * 5,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    # The exporter warns of its own internals and of torchvision, neither of which says anything of this model.
    loud = logging.getLogger("torch.onnx")
    level = loud.level
    loud.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        loud.setLevel(level)
