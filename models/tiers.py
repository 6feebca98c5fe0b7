"""A scorer that never fails: the full model, else the light one, else it says that there is none.

A batch that the full model cannot score is scored by the light one. A full model that fails again and again, or is slow for
long, is left alone by its breaker (`breaker.py`), so that it costs nothing; then some batches try it again. Nothing that is
no number ever leaves here.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models.artefact import Artefact
from freshet.models.breaker import Breaker, Change
from freshet.models.features import Floats
from freshet.models.manifest import FULL_PRECISION, GRAPHS

LOG = logging.getLogger(__name__)

Ints = NDArray[np.int64]

NO_TIER = "none"


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
        breaker: Breaker | None = None,
    ) -> None:
        """Take the models.

        Args:
            full: the full model; None where it could not be loaded.
            light: the light one.
            reason: why there is no full model.
            breaker: of the full model; one with the usual limits if None.
        """
        self._full = full
        self._light = light
        self._reason = reason
        self.breaker = breaker or Breaker(changed=tell)
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
        if self._full is None or (permit := self.breaker.ask()) is None:
            return None
        try:
            scores = finite(self._full.score(*inputs), inputs[1].shape)
        except ValueError as error:
            self._failed(str(error))
            permit.failed()
            return None
        permit.succeeded()
        if self._reason:
            LOG.warning("the full model scores again")
        self._reason = ""
        self.tally.full += 1
        return Scored(scores, self._full.tier)

    def _failed(self, why: str) -> None:
        self.tally.failures += 1
        if self._reason != why:
            LOG.warning("the full model could not score a batch (%s): the light model does", why)
        self._reason = why

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


def tell(change: Change) -> None:
    """Write into the log what becomes of the full model."""
    why = f": {change.reason}" if change.reason else ""
    LOG.warning("the breaker of the full model is %s, it was %s%s", change.after.value, change.before.value, why)


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
