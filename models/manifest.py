"""What an artefact says of itself: its inputs, where they come from, how it was trained, and the hash of every file."""

import hashlib
from collections.abc import Collection, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, ValidationError

from freshet.errors import FreshetError
from freshet.models import features
from freshet.models.calibration import Bin, Platt
from freshet.models.features import Source

MANIFEST = "manifest.json"
MODEL = "model.onnx"
ITEMS = "items.json"
COVISITS = "covisits.npz"
LIGHT = "light.json"
FACTORS = "als.npz"
FILES = (MODEL, ITEMS, COVISITS, LIGHT)
"""What every artefact holds beside the manifest; it may hold factors and graphs of other precisions too."""

FULL_PRECISION = "fp32"
PRECISIONS = (FULL_PRECISION, "fp16", "int8")
"""What a graph may compute in."""

BATCH, COUNT = "B", "C"
"""Names of the dynamic axes: users, and candidates of each."""


class Part(BaseModel):
    """A frozen part of the manifest; an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tensor(Part):
    """An input or output of the graph; `columns` names what stands along a last axis of features."""

    name: str
    dtype: Literal["int64", "float32"]
    shape: tuple[int | str, ...]
    columns: tuple[str, ...] = ()


class Data(Part):
    """The training data, and the days (UTC) that part it by time.

    Attributes:
        outcomes: how many events there are of each outcome that a list hopes for.
        horizon_ms: how long after its instant the answer to a visit ends; 0: with the visit.
    """

    name: str
    events: int
    outcomes: dict[str, int]
    horizon_ms: int
    users: int
    training_since: date
    validation_since: date
    test_since: date
    test_until: date


class Evaluation(Part):
    """Figures of one ranking over the visits of the test period.

    Attributes:
        ranking: the model's name, or that of a baseline.
        candidates: `served`, those that the stream job would score, or `all`, the whole vocabulary.
        moment: the instant that the features are of: the `visit` itself, or the user's `last event` before it.
        visits: how many were measured: those with a known item that is not among the user's last 20.
        overlap_at_20: the part of the model's own first 20 that this ranking lists too.
    """

    ranking: str
    candidates: Literal["served", "all"]
    moment: str
    visits: int
    hr_at_20: float
    ndcg_at_20: float
    mrr: float
    overlap_at_20: float = 1.0


class Calibration(Part):
    """How scores become probabilities of an outcome, and how true these are over the test visits.

    Attributes:
        outcome: `purchase` or `click`.
        platt: fitted on the validation visits.
        candidates: how many were judged.
        rate: the share of them that came about.
        calibration_error: the mean difference between foreseen and observed, over ten groups of like size.
        log_loss, log_loss_of_rate: of the probabilities, and of foreseeing the rate for all.
        reliability: the groups.
    """

    outcome: str
    platt: Platt
    candidates: int
    rate: float
    calibration_error: float
    log_loss: float
    log_loss_of_rate: float
    reliability: tuple[Bin, ...]


class Variant(Part):
    """The graph in one precision, and what it is worth on the candidates that are served.

    Attributes:
        precision: `fp32` is the full graph, with which the others are compared.
        ndcg_loss: the part of its NDCG@20 that is lost; below 0 for a gain.
        overlap_at_20: the part of its first 20 that is listed too.
        max_abs_diff: the largest difference of two scores.
        cpu_us_a_user: processor time for a user's candidates, in a batch of 32, on one thread of the machine of training.
        bytes: size of the file.
    """

    precision: Literal["fp32", "fp16", "int8"]
    ndcg_at_20: float
    ndcg_loss: float
    overlap_at_20: float
    max_abs_diff: float
    cpu_us_a_user: float
    bytes: int


class File(Part):
    """A file of the artefact."""

    sha256: str
    bytes: int


class Manifest(Part):
    """The manifest, `manifest.json` of an artefact folder."""

    format: Literal[2] = 2
    name: str
    version: str
    created: datetime
    code_version: str
    opset: int
    items: int
    inputs: tuple[Tensor, ...]
    output: Tensor
    user_sources: tuple[Source, ...]
    candidate_sources: tuple[Source, ...]
    data: Data
    seed: int
    parity_max_abs_diff: float
    metrics: tuple[Evaluation, ...]
    baselines: tuple[Evaluation, ...]
    light: tuple[Evaluation, ...]
    calibrations: tuple[Calibration, ...]
    variants: tuple[Variant, ...]
    files: dict[str, File]

    def write(self, folder: Path) -> None:
        """Write it into an artefact folder."""
        (folder / MANIFEST).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that the artefact holds a graph of."""
        return tuple(precision for precision in PRECISIONS if graph_file(precision) in self.files)

    def graph(self, precision: str) -> str:
        """Return the file of the graph in a precision.

        Raises:
            FreshetError: there is none.
        """
        if precision not in self.precisions:
            text = f"Model {self.name} {self.version} has no graph in {precision}, only in {', '.join(self.precisions)}"
            raise FreshetError(f"{text}: set FRESHET_MODEL__PRECISION to one of these.")
        return graph_file(precision)

    def probability(self, scores: ArrayLike, outcome: str) -> features.Floats:
        """Return the calibrated probability of an outcome for each candidate, float32 [B, C].

        Args:
            scores: [B, C], of all candidates of each user, as the model gives them.
            outcome: `purchase` or `click`.

        Raises:
            FreshetError: the training data held none of these outcomes.
        """
        for one in self.calibrations:
            if one.outcome == outcome:
                return one.platt.probability(scores)
        text = f"Model {self.name} {self.version} has learnt no probability of a {outcome}"
        raise FreshetError(f"{text}; train it on events that hold some.")

    @classmethod
    def read(cls, folder: Path, unchecked: Collection[str] = ()) -> "Manifest":
        """Read the manifest of an artefact and check all that can be checked without running the model.

        Args:
            folder: of the artefact.
            unchecked: files that may be missing or damaged.

        Raises:
            FreshetError: there is none, it is not one, a file is missing or was changed, or the model expects other
                features than this code makes.
        """
        manifest = cls._parsed(folder)
        manifest.check_files(folder, unchecked)
        manifest.check_features()
        return manifest

    @classmethod
    def _parsed(cls, folder: Path) -> "Manifest":
        try:
            return cls.model_validate_json((folder / MANIFEST).read_bytes())
        except OSError:
            text = f"There is no model at {folder}: it holds no readable {MANIFEST}"
            raise FreshetError(f"{text}; point FRESHET_MODEL__PATH at a folder that `freshet train` made.") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"])
            text = f"{folder / MANIFEST} is not a manifest of this version ({where}: {first['msg']})"
            raise FreshetError(f"{text}; train the model again with `freshet train`.") from None

    def check_files(self, folder: Path, unchecked: Collection[str] = ()) -> None:
        """Refuse files that are missing or not those that were written.

        Raises:
            FreshetError: one is.
        """
        listed = set(self.files)
        if not set(FILES) <= listed <= {*FILES, FACTORS, *GRAPHS}:
            raise FreshetError(f"{folder / MANIFEST} lists other files than {', '.join(FILES)}; train the model again.")
        for name in self.files:
            if name not in unchecked:
                self.checked(folder, name)

    def checked(self, folder: Path, name: str) -> bytes:
        """Return the content of a file whose hash is right.

        Raises:
            FreshetError: the file is missing or its hash is not.
        """
        try:
            content = (folder / name).read_bytes()
        except OSError:
            raise FreshetError(f"The model at {folder} has no readable {name}; copy the whole folder again.") from None
        if hashlib.sha256(content).hexdigest() != self.files[name].sha256:
            raise FreshetError(f"{folder / name} is not the file that was trained; copy the whole folder again.")
        return content

    def check_features(self) -> None:
        """Refuse a model whose inputs are not those that `freshet.models.features` makes.

        Raises:
            FreshetError: they are not.
        """
        mine = (input_tensors(), features.USER_SOURCES, features.CANDIDATE_SOURCES)
        theirs = (self.inputs, self.user_sources, self.candidate_sources)
        for ours, its in zip(mine, theirs, strict=True):
            _same(f"Model {self.name} {self.version} was trained on other inputs than this version makes", ours, its)

    def check_graph(self, inputs: Sequence[Tensor], output: Tensor) -> None:
        """Refuse a graph whose inputs or output are not those of the manifest; their columns are not compared.

        Raises:
            FreshetError: they are not.
        """
        declared = [tensor.model_copy(update={"columns": ()}) for tensor in (*self.inputs, self.output)]
        text = f"{MODEL} of {self.name} {self.version} has other inputs or outputs than its manifest"
        _same(text, declared, [*inputs, output])


def _same(text: str, expected: Sequence[object], found: Sequence[object]) -> None:
    for ours, its in zip(expected, found, strict=False):
        if ours != its:
            raise FreshetError(f"{text} ({its} where {ours} belongs); train it again with `freshet train`.")
    if len(expected) != len(found):
        raise FreshetError(f"{text} ({len(found)} where {len(expected)} belong); train it again with `freshet train`.")


def input_tensors() -> tuple[Tensor, ...]:
    """Return the ranker's inputs, in order."""
    candidate_shape = (BATCH, COUNT, features.CANDIDATE_WIDTH)
    return (
        Tensor(name="recent_items", dtype="int64", shape=(BATCH, features.RECENT)),
        Tensor(name="candidates", dtype="int64", shape=(BATCH, COUNT)),
        Tensor(
            name="user_features", dtype="float32", shape=(BATCH, features.USER_WIDTH), columns=features.USER_FEATURES
        ),
        Tensor(name="candidate_features", dtype="float32", shape=candidate_shape, columns=features.CANDIDATE_FEATURES),
    )


def output_tensor() -> Tensor:
    """Return the ranker's output."""
    return Tensor(name="scores", dtype="float32", shape=(BATCH, COUNT))


def graph_file(precision: str) -> str:
    """Return the name of the file of the graph in a precision.

    >>> graph_file("fp32"), graph_file("int8")
    ('model.onnx', 'model.int8.onnx')
    """
    return MODEL if precision == FULL_PRECISION else f"model.{precision}.onnx"


GRAPHS = tuple(map(graph_file, PRECISIONS))
"""The files of all graphs that an artefact may hold."""


def described(path: Path) -> File:
    """Return the entry of a file as it is on disk."""
    content = path.read_bytes()
    return File(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
