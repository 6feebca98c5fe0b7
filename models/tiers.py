"""A scorer that never fails: the full model, else the light one, else it says that there is none.

A batch that the full model cannot score is scored by the light one. After some failures in a row the full model rests for a
while, so that a broken one costs nothing; then one batch tries it again. Nothing that is no number ever leaves here.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models.artefact import Artefact
from freshet.models.features import Floats
from freshet.models.manifest import FULL_PRECISION, GRAPHS

LOG = logging.getLogger(__name__)

Ints = NDArray[np.int64]

NO_TIER = "none"

FAILURES_IN_A_ROW = 3
"""So many batches in a row that the full model could not score make it rest; one bad batch says nothing of the model."""

REST_S = 30.0


class NothingScores(ValueError):
    """No tier could score a batch: what was asked is no question that a model can answer."""


class Model(Protocol):
    """What scores: `OnnxScorer` and `LightModel` do."""

    @property
    def tier(self) -> str:
        """The tier of the lists that it makes."""

    @property
    def version(self) -> str:
        """The model's name and version."""

    @property
    def provider(self) -> str:
        """Where it runs."""

    def score(
        self, recent_items: Ints, candidates: Ints, user_features: Floats, candidate_features: Floats, /
    ) -> Floats:
        """Return a score for each candidate, float32 [B, C]."""


class Scored(NamedTuple):
    """Scores, who made them, and why it was not the tier above; no reason where it was.

    Attributes:
        scores: float32 [B, C], all of them numbers.
        tier: `full-gpu`, `full-cpu` or `light`.
        reason: a clause for a log, empty for the best tier.
    """

    scores: Floats
    tier: str
    reason: str = ""


@dataclass
class Tally:
    """What happened so far, for metrics.

    Attributes:
        full, light, none: batches scored by each tier, and by none.
        failures: batches that the full model was tried on and could not score.
    """

    full: int = 0
    light: int = 0
    none: int = 0
    failures: int = 0


class TieredScorer:
    """Scores each batch with the best tier that can. Takes the place of an `OnnxScorer`; for one thread."""

    def __init__(
        self,
        full: Model | None,
        light: Model,
        reason: str = "",
        *,
        rest_s: float = REST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the models.

        Args:
            full: the full model; None where it could not be loaded.
            light: the light one.
            reason: why there is no full model.
            rest_s: how long the full model rests, s.
            clock: seconds that never go back.
        """
        self._full = full
        self._light = light
        self._reason = reason
        self._rest_s = rest_s
        self._clock = clock
        self._in_a_row = 0
        self._rests_until = -np.inf
        self._latest = light.tier if full is None else full.tier
        self.tally = Tally()

    @property
    def tier(self) -> str:
        """The tier of the latest batch; before the first, the best that was loaded."""
        return self._latest

    @property
    def version(self) -> str:
        """The model's name and version; both tiers are of one artefact."""
        return self._light.version

    @property
    def provider(self) -> str:
        """Where the best tier that was loaded runs."""
        return (self._full or self._light).provider

    @property
    def reason(self) -> str:
        """Why the full model is not in use now; empty where it is."""
        return self._reason

    def score(
        self, recent_items: Ints, candidates: Ints, user_features: Floats, candidate_features: Floats, /
    ) -> Floats:
        """Return one score a candidate, float32 [B, C]; `tier` then tells whose.

        Raises:
            NothingScores: no tier could.
        """
        found = self.scored(recent_items, candidates, user_features, candidate_features)
        if found is None:
            raise NothingScores(f"No tier can score this batch: {self._reason}")
        return found.scores

    def scored(
        self, recent_items: Ints, candidates: Ints, user_features: Floats, candidate_features: Floats, /
    ) -> Scored | None:
        """Return the scores of the best tier that has some; None where the last good or the hot list must do."""
        inputs = (recent_items, candidates, user_features, candidate_features)
        found = self._by_full(inputs) or self._by_light(inputs)
        self._latest = found.tier if found else NO_TIER
        return found

    def _by_full(self, inputs: tuple[Ints, Ints, Floats, Floats]) -> Scored | None:
        if self._full is None or self._clock() < self._rests_until:
            return None
        try:
            scores = finite(self._full.score(*inputs), inputs[1].shape)
        except ValueError as error:
            self._failed(str(error))
            return None
        if self._reason:
            LOG.warning("the full model scores again")
        self._in_a_row, self._reason = 0, ""
        self.tally.full += 1
        return Scored(scores, self._full.tier)

    def _failed(self, why: str) -> None:
        self.tally.failures += 1
        self._in_a_row += 1
        if self._reason != why:
            LOG.warning("the full model could not score a batch (%s): the light model does", why)
        self._reason = why
        if self._in_a_row >= FAILURES_IN_A_ROW:
            self._rests_until = self._clock() + self._rest_s
            LOG.warning("the full model rests for %.0f s after %d failures in a row", self._rest_s, self._in_a_row)

    def _by_light(self, inputs: tuple[Ints, Ints, Floats, Floats]) -> Scored | None:
        try:
            scores = finite(self._light.score(*inputs), inputs[1].shape)
        except ValueError as error:
            self.tally.none += 1
            self._reason = self._reason or str(error)
            LOG.warning("no model could score a batch (%s)", error)
            return None
        self.tally.light += 1
        return Scored(scores, self._light.tier, self._reason)


def finite(scores: Floats, shape: tuple[int, ...]) -> Floats:
    """Return scores that are numbers, one for each candidate.

    Raises:
        ValueError: they are not.
    """
    if scores.shape != shape:
        raise ValueError(f"the scores have the shape {scores.shape} where {shape} were asked for")
    if not np.isfinite(scores).all():
        raise ValueError("scores holds NaN or infinity")
    return scores


def load(folder: Path | None = None, providers: Sequence[str] = (), precision: str = FULL_PRECISION) -> TieredScorer:
    """Load all tiers of an artefact; None takes the one that ships.

    Raises:
        FreshetError: the artefact is missing or damaged, does not fit this version of the code, or scores with what is no
            number. Better told before a job is submitted than by its workers.
    """
    artefact = Artefact.load(folder)
    return TieredScorer(_full(artefact.folder, providers, precision), artefact.light())


def load_best(
    folder: Path | None = None, providers: Sequence[str] = (), precision: str = FULL_PRECISION
) -> TieredScorer:
    """Load what can be loaded of an artefact, for a worker that runs already.

    Where the graph of this precision cannot be used the full one scores, and where that cannot either, the light tier.

    Raises:
        FreshetError: not even the items, the co-visits and the light model are sound.
    """
    artefact = Artefact.load(folder, unchecked=GRAPHS)
    light, reason = artefact.light(), ""
    for one in dict.fromkeys((precision, FULL_PRECISION)):
        try:
            return TieredScorer(_full(artefact.folder, providers, one), light)
        except FreshetError as error:
            reason = reason or str(error)
            LOG.error("The graph in %s cannot be used. %s", one, error)  # noqa: TRY400 - the sentence says it all
    LOG.error("The light model scores: the full one cannot.")
    return TieredScorer(None, light, reason)


def _full(folder: Path, providers: Sequence[str], precision: str) -> Model:
    # Imports ONNX Runtime, without which the light tier still works.
    from freshet.models.scorer import OnnxScorer

    try:
        return OnnxScorer.load(folder, providers, precision)
    except ValueError as error:  # NotScorable, or a graph that describes itself as none can
        text = f"The model at {folder} does not score ({error})"
        raise FreshetError(f"{text}; train it again with `freshet train`.") from None
