"""Scores candidates with ONNX Runtime, on a GPU where one works and on one CPU thread elsewhere."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models import features
from freshet.models.artefact import default_folder
from freshet.models.manifest import FULL_PRECISION, GRAPHS, MODEL, Manifest, Tensor

try:
    import onnxruntime
except ImportError:
    text = "ONNX Runtime is not installed"
    raise FreshetError(f'{text}: run pip install "freshet[cpu]", or "freshet[gpu]" on a machine with CUDA.') from None

from freshet.models.bound_runs import SIZES, BoundRuns

LOG = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

PREFERRED = (CUDA, CPU)
"""Providers that are tried without being asked for, in order.

TensorRT has to be asked for: it builds an engine for every range of shapes that it meets, and the stream waits for it.
"""

CPU_RUN_USERS = 32
"""Users that one run on a CPU takes at most: with more, what lies between the layers no longer fits the cores' caches."""

WARM_UP_BATCHES = (1, 8, 32)
WARM_UP_CANDIDATES = 200

ELEMENT_TYPES = {"tensor(int64)": "int64", "tensor(float)": "float32"}


class NotScorable(ValueError):
    """The inputs cannot be scored, or the scores are not numbers."""


def session_options() -> onnxruntime.SessionOptions:
    """Return the options of every session: one thread that never spins, and all graph optimisations.

    Flink runs one scorer in each subtask, so more threads in one would take the cores of the others. Memory patterns
    are off because they are kept for each shape, and the number of users and candidates varies.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


@dataclass(frozen=True, eq=False)
class OnnxScorer:
    """A loaded model. Safe to call from several threads.

    Attributes:
        manifest: of the model.
        provider: the execution provider that it runs on.
    """

    manifest: Manifest
    provider: str
    _session: onnxruntime.InferenceSession
    _bound: BoundRuns | None = None

    @classmethod
    def load(
        cls, path: Path | None = None, providers: Sequence[str] = (), precision: str = FULL_PRECISION
    ) -> "OnnxScorer":
        """Check an artefact, open it on the first provider that works, and run it once for the usual shapes.

        Args:
            path: the artefact's folder; None loads the one that ships.
            providers: ONNX Runtime providers in order of preference; none: the best of this machine. The CPU is always
                the last resort.
            precision: which of the artefact's graphs.

        Raises:
            FreshetError: the artefact is missing or damaged, holds no graph of this precision, or does not fit this version
                of the code.
        """
        folder = path or default_folder()
        manifest = Manifest.read(folder, unchecked=GRAPHS)  # but for the one that is opened next
        session = open_session(manifest.checked(folder, manifest.graph(precision)), providers)
        manifest.check_graph([_described(one) for one in session.get_inputs()], _described(session.get_outputs()[0]))
        provider = session.get_providers()[0]
        bound = BoundRuns(session, "cuda") if provider in (CUDA, TENSORRT) else None
        scorer = cls(manifest, provider, session, bound)
        scorer.warm_up()
        return scorer

    @property
    def tier(self) -> str:
        """The tier of the lists that it makes: `full-cpu` or `full-gpu`."""
        return "full-cpu" if self.provider == CPU else "full-gpu"

    @property
    def version(self) -> str:
        """The model's name and version, as lists carry it: `home-ranker/1`."""
        return f"{self.manifest.name}/{self.manifest.version}"

    @property
    def run_users(self) -> int:
        """How many users one run of the model takes at most; a larger batch is several runs."""
        return SIZES[-1] if self._bound else CPU_RUN_USERS

    def score(
        self,
        recent_items: NDArray[np.int64],
        candidates: NDArray[np.int64],
        user_features: features.Floats,
        candidate_features: features.Floats,
    ) -> features.Floats:
        """Return one score a candidate, float32 [B, C]; more is better, and -1e9 stands for padding.

        Within one user, differences of scores are log odds; scores of two users do not compare.

        Args:
            recent_items: int64 [B, 20], item indices newest first, 0 for padding and unknown items.
            candidates: int64 [B, C], item indices, 0 for padding.
            user_features: float32 [B, 7], from `features.user_features`.
            candidate_features: float32 [B, C, 5], from `features.candidate_features`.

        Raises:
            NotScorable: a feature or a score is NaN or infinite, an index is not of this model, or a shape is wrong.
        """
        self._check_indices("recent_items", recent_items)
        self._check_indices("candidates", candidates)
        _check_finite("user_features", user_features)
        _check_finite("candidate_features", candidate_features)
        scores = self._run(recent_items, candidates, user_features, candidate_features)
        _check_finite("scores", scores)
        return scores

    def warm_up(self, batches: Sequence[int] = (), candidates: int = WARM_UP_CANDIDATES) -> None:
        """Run once for each batch size, so that no event pays for what is done only on a first run.

        Without sizes, for those that the provider tells apart: all that are bound on a GPU, a few on a CPU.
        """
        for size in batches or (SIZES if self._bound else WARM_UP_BATCHES):
            self.score(
                np.zeros((size, features.RECENT), np.int64),
                np.ones((size, candidates), np.int64),
                np.zeros((size, features.USER_WIDTH), np.float32),
                np.zeros((size, candidates, features.CANDIDATE_WIDTH), np.float32),
            )

    def _run(self, *inputs: NDArray[Any]) -> features.Floats:
        names = [tensor.name for tensor in self.manifest.inputs]
        parts = range(0, len(inputs[0]), self.run_users) or (0,)
        cut = [[array[at : at + self.run_users] for array in inputs] for at in parts]
        try:
            scores = [self._run_once(dict(zip(names, part, strict=True))) for part in cut]
        except Exception as error:
            # ONNX Runtime's own exceptions share no base below Exception.
            raise NotScorable(f"ONNX Runtime refused the inputs: {error}") from error
        return scores[0] if len(scores) == 1 else np.concatenate(scores)

    def _run_once(self, feeds: dict[str, NDArray[Any]]) -> features.Floats:
        if self._bound:
            return self._bound.run(feeds)
        scores: features.Floats = self._session.run([self.manifest.output.name], feeds)[0]
        return scores

    def _check_indices(self, name: str, indices: NDArray[np.int64]) -> None:
        # The runtime would read a negative index from the end of the table.
        if indices.size and (indices.min() < 0 or indices.max() > self.manifest.items):
            raise NotScorable(f"{name} holds an index that is not between 0 and {self.manifest.items}")


def _check_finite(name: str, values: features.Floats) -> None:
    if not np.isfinite(values).all():
        raise NotScorable(f"{name} holds NaN or infinity")


def open_session(model: bytes, providers: Sequence[str] = ()) -> onnxruntime.InferenceSession:
    """Open a model on the first of these providers that works; none given: the best of this machine.

    Raises:
        FreshetError: ONNX Runtime cannot read the model at all.
    """
    for provider in _usable(providers):
        try:
            return _opened(model, provider)
        except Exception as error:  # noqa: BLE001 - whatever a driver does wrong, the next provider may do right
            LOG.warning("%s does not work here (%s)", provider, str(error).partition("\n")[0])
    text = f"ONNX Runtime {onnxruntime.__version__} cannot open {MODEL}"
    raise FreshetError(f"{text}; train it again with `freshet train`, or install a newer ONNX Runtime.")


def _usable(wanted: Sequence[str]) -> list[str]:
    offered = onnxruntime.get_available_providers()
    missing = [provider for provider in wanted if provider not in offered]
    if missing:
        LOG.warning("this ONNX Runtime has no %s; it has %s", ", ".join(missing), ", ".join(offered))
    order = [provider for provider in wanted or PREFERRED if provider in offered]
    return [*order, CPU] if CPU not in order else order


def _opened(model: bytes, provider: str) -> onnxruntime.InferenceSession:
    if provider == CUDA:
        onnxruntime.preload_dlls()  # finds CUDA's libraries where pip has put them
    chain = [provider] if provider == CPU else [provider, CPU]
    session = onnxruntime.InferenceSession(model, session_options(), providers=chain, enable_fallback=False)
    session.disable_fallback()  # a provider that fails later must be seen, not replaced in silence
    if session.get_providers()[0] != provider:
        # ONNX Runtime leaves out a provider whose libraries it cannot load, without raising.
        raise OSError("its libraries cannot be loaded")
    return session


def _described(node: Any) -> Tensor:
    dtype = ELEMENT_TYPES.get(node.type)
    if dtype is None:
        raise FreshetError(f"Tensor {node.name} of {MODEL} is {node.type}; train the model again with `freshet train`.")
    return Tensor.model_validate({"name": node.name, "dtype": dtype, "shape": tuple(node.shape)})
