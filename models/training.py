"""Fits the networks to the examples before the validation days and keeps the best epoch of each. Needs torch."""

# mypy: allow-untyped-calls
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from freshet.errors import FreshetError
from freshet.models.calibration import Platt, calibration_error, fit_platt, log_loss, reliability
from freshet.models.dataset import CLICK, PURCHASE, Split
from freshet.models.distillation import distil
from freshet.models.evaluation import Rank, evaluate, measure
from freshet.models.examples import Examples, Moment, joined
from freshet.models.light import LightModel, Parameters, Traits
from freshet.models.manifest import Calibration, Evaluation
from freshet.models.ncf import NeuralCollaborativeFiltering
from freshet.models.preparation import (
    Prepared,
    Recipe,
    Report,
    answers,
    as_served,
    for_training,
    negative_weights,
    prepare,
    questions,
)
from freshet.models.ranker import Ranker, Shape, listwise_loss

Columns = tuple[Tensor, ...]
"""The four inputs of a network, then what was wanted, of all training examples."""

SAMPLE = 256
LIGHT, NCF = "light", "ncf"


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model with all that serving it takes, and what it is worth.

    Attributes:
        prepared: the vocabulary and the co-visit table.
        ranker: the network.
        light: the light model, distilled from it.
        sample: the four inputs of some training examples, to compare the exported graph on.
        test: the test visits with the candidates that are served.
        evaluations: figures of the model, the light model and the baselines over the test visits.
        calibrations: of the scores, for each outcome that the data hold.
    """

    prepared: Prepared
    ranker: Ranker
    light: Parameters
    sample: Columns
    test: Sequence[Examples]
    evaluations: tuple[Evaluation, ...]
    calibrations: tuple[Calibration, ...]


def train(log: pd.DataFrame, split: Split, recipe: Recipe, name: str, report: Report) -> Trained:
    """Train a ranker and measure it against the baselines.

    Args:
        log: as `dataset.read_purchases` returns them, or with a column `type` too.
        split: the days that part training, validation and test.
        recipe: everything that may be tuned; its seed fixes every draw.
        name: the model's name in the figures.
        report: hears of progress.

    Raises:
        FreshetError: the data do not suffice for the split.
    """
    split.check()
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    report("co-visits", 0, 1)
    prepared = prepare(log, split, recipe)
    report("co-visits", 1, 1)
    columns = training_columns(prepared, split, recipe, report)
    since_ms, validation_ms, test_ms, until_ms = split.milliseconds()
    held_out = served(
        prepared, recipe, (validation_ms, test_ms), recipe.validation_visits, "validation examples", report
    )
    ranker = fit(new_network(Ranker, prepared, recipe), columns, held_out, prepared, recipe, "training", report)
    ncf = fit(
        new_network(NeuralCollaborativeFiltering, prepared, recipe),
        columns,
        held_out,
        prepared,
        recipe,
        "training ncf",
        report,
    )
    sample = tuple(column[-SAMPLE:].clone() for column in columns[:-1])
    del columns
    rank = by_network(ranker)
    light = distilled(prepared, rank, (since_ms, validation_ms), recipe, report)
    rankings = {name: rank, LIGHT: by_light(light, prepared), NCF: by_network(ncf)}
    test = served(prepared, recipe, (test_ms, until_ms), recipe.test_visits, "test examples", report)
    return Trained(
        prepared,
        ranker,
        light,
        sample,
        test,
        evaluations=measure(prepared, split, recipe, rankings, report),
        calibrations=calibrated(held_out, test, rank),
    )


def training_columns(prepared: Prepared, split: Split, recipe: Recipe, report: Report) -> Columns:
    """Return the training examples, read at both moments, in order of time.

    Raises:
        FreshetError: there are none.
    """
    period = split.milliseconds()[:2]
    most = recipe.training_examples // len(Moment)
    asked = joined([questions(prepared, *period, moment, most, recipe.seed) for moment in Moment])
    choose = for_training(prepared, recipe, np.random.default_rng(recipe.seed))
    parts = [
        (*_inputs(examples), torch.from_numpy(examples.wanted))
        for examples in answers(prepared, asked, choose, "training examples", report)
    ]
    if not parts:
        raise FreshetError("No visit of the training window holds a known item: give an earlier --since.")
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def served(
    prepared: Prepared, recipe: Recipe, period: tuple[int, int], most: int, stage: str, report: Report
) -> list[Examples]:
    """Return the visits of a period (ms) with the candidates of the list that the user finds at each.

    Raises:
        FreshetError: there are none.
    """
    asked = questions(prepared, *period, Moment.LAST_EVENT, most, recipe.seed)
    found = list(answers(prepared, asked, as_served(prepared, recipe), stage, report))
    if not found:
        raise FreshetError(f"There are no {stage}: give other days with --since, --validation, --test and --until.")
    return found


def fit(
    network: nn.Module,
    columns: Columns,
    held_out: Sequence[Examples],
    prepared: Prepared,
    recipe: Recipe,
    stage: str,
    report: Report,
) -> nn.Module:
    """Return the network of the epoch that ranks the validation visits best, by NDCG@20 of what would be served."""
    best, best_ndcg = network, -1.0
    log_weights = negative_weights(len(prepared.vocabulary), recipe)
    for _ in _epochs(network, columns, log_weights, recipe, stage, report):
        ndcg = evaluate(held_out, {"network": by_network(network)})["network"].ndcg_at_20
        if ndcg > best_ndcg:
            best, best_ndcg = deepcopy(network), ndcg
    return best


def new_network(make: type[nn.Module], prepared: Prepared, recipe: Recipe) -> nn.Module:
    """Return an untrained network of the right size."""
    vocabulary, kinds = prepared.vocabulary, prepared.kinds
    shape = Shape(len(vocabulary) + 1, len(vocabulary.categories) + 1, int(kinds.max()) + 1, recipe.width)
    category = torch.from_numpy(vocabulary.item_category.astype(np.int64))
    return make(shape, category, torch.from_numpy(kinds))


def _epochs(
    network: nn.Module,
    columns: Columns,
    log_weights: NDArray[np.float32],
    recipe: Recipe,
    stage: str,
    report: Report,
) -> Iterator[int]:
    generator = np.random.default_rng(recipe.seed)
    count = len(columns[0])
    steps = -(-count // recipe.batch)
    step = _Step(network, torch.from_numpy(log_weights), recipe, recipe.epochs * steps)
    for epoch in range(recipe.epochs):
        for number, rows in enumerate(np.array_split(generator.permutation(count), steps), start=1):
            step(tuple(column[torch.from_numpy(rows)] for column in columns))
            report(stage, epoch * steps + number, recipe.epochs * steps)
        yield epoch


class _Step:
    def __init__(self, network: nn.Module, log_weights: Tensor, recipe: Recipe, steps: int) -> None:
        rate = recipe.learning_rate
        self._network = network
        self._log_weights = log_weights
        self._optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=recipe.weight_decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(self._optimiser, rate, total_steps=steps, pct_start=0.1)

    def __call__(self, batch: Columns) -> None:
        *inputs, wanted = batch
        loss = listwise_loss(self._network(*inputs), wanted, self._log_weights)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._schedule.step()


def distilled(prepared: Prepared, teacher: Rank, period: tuple[int, int], recipe: Recipe, report: Report) -> Parameters:
    """Return the light model of a ranker, from lists of the training window."""
    examples = served(prepared, recipe, period, recipe.distilled_visits, "distillation examples", report)
    return distil(examples, teacher, traits(prepared), recipe.seed)


def traits(prepared: Prepared) -> Traits:
    """Return what the light model needs of the items."""
    return Traits.of(prepared.table, prepared.vocabulary.item_category)


def calibrated(held_out: Sequence[Examples], test: Sequence[Examples], rank: Rank) -> tuple[Calibration, ...]:
    """Return the calibration for each outcome that the validation visits hold, judged on the test visits."""
    marks = {PURCHASE: "bought", CLICK: "clicked"}
    fitted_on, judged_on = _scored(held_out, rank), _scored(test, rank)
    return tuple(
        judged(outcome, fit_platt(fitted_on["scores"], fitted_on[mark]), judged_on, judged_on[mark])
        for outcome, mark in marks.items()
        if fitted_on[mark].any()
    )


def _scored(examples: Sequence[Examples], rank: Rank) -> Mapping[str, NDArray[Any]]:
    return {
        "scores": np.concatenate([rank(one) for one in examples]),
        "candidates": np.concatenate([one.candidates for one in examples]),
        "bought": np.concatenate([one.bought for one in examples]),
        "clicked": np.concatenate([one.clicked for one in examples]),
    }


def judged(outcome: str, platt: Platt, scored: Mapping[str, NDArray[Any]], happened: NDArray[Any]) -> Calibration:
    """Return a calibration with what it is worth on these visits."""
    known = scored["candidates"] > 0
    foreseen, came = platt.probability(scored["scores"])[known], happened[known].astype(np.bool_)
    groups = reliability(foreseen, came)
    rate = float(came.mean())
    return Calibration(
        outcome=outcome,
        platt=platt,
        candidates=len(came),
        rate=rate,
        calibration_error=calibration_error(groups),
        log_loss=log_loss(foreseen, came),
        log_loss_of_rate=log_loss(np.full(len(came), rate), came),
        reliability=groups,
    )


def by_network(network: nn.Module) -> Rank:
    """Rank by a network as it would be served."""
    model = (network.served() if isinstance(network, Ranker) else network).eval()

    def rank(examples: Examples) -> NDArray[np.float64]:
        with torch.no_grad():
            scores: NDArray[np.float32] = model(*_inputs(examples)).numpy()
        return scores.astype(np.float64)

    return rank


def by_light(parameters: Parameters, prepared: Prepared) -> Rank:
    """Rank by the light model as it is served."""
    model = LightModel(parameters, traits(prepared), LIGHT)

    def rank(examples: Examples) -> NDArray[np.float32]:
        inputs = (examples.recent_items, examples.candidates, examples.user_features, examples.candidate_features)
        return model.score(*inputs)

    return rank


def _inputs(examples: Examples) -> Columns:
    parts = (examples.recent_items, examples.candidates, examples.user_features, examples.candidate_features)
    return tuple(torch.from_numpy(part) for part in parts)
