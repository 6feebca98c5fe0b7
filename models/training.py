"""Fits the ranker to the examples before the validation days and keeps its best epoch. Needs torch."""

# mypy: allow-untyped-calls
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from freshet.errors import FreshetError
from freshet.models.dataset import Split
from freshet.models.evaluation import Rank, evaluate, measure
from freshet.models.examples import Examples, Moment, ask, joined
from freshet.models.manifest import Evaluation
from freshet.models.preparation import (
    Prepared,
    Recipe,
    Report,
    answers,
    as_served,
    for_training,
    negative_weights,
    prepare,
    some,
)
from freshet.models.ranker import Ranker, Shape, listwise_loss

Columns = tuple[Tensor, ...]
"""The four inputs of the ranker, then `bought`, of all training examples."""

SAMPLE = 256


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model with all that serving it takes, and what it is worth.

    Attributes:
        prepared: the vocabulary and the co-visit table.
        ranker: the network.
        sample: the four inputs of some training examples, to compare the exported graph on.
        evaluations: figures of the model and the baselines over the test visits.
    """

    prepared: Prepared
    ranker: Ranker
    sample: Columns
    evaluations: tuple[Evaluation, ...]


def train(purchases: pd.DataFrame, split: Split, recipe: Recipe, name: str, report: Report) -> Trained:
    """Train a ranker and measure it against the baselines.

    Args:
        purchases: as `dataset.read_purchases` returns them.
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
    prepared = prepare(purchases, split, recipe)
    report("co-visits", 1, 1)
    columns = training_columns(prepared, split, recipe, report)
    ranker = fit(prepared, columns, split, recipe, report)
    evaluations = measure(prepared, split, recipe, {name: by_ranker(ranker)}, report)
    return Trained(prepared, ranker, tuple(column[-SAMPLE:] for column in columns[:-1]), evaluations)


def training_columns(prepared: Prepared, split: Split, recipe: Recipe, report: Report) -> Columns:
    """Return all training examples, read at both moments, in order of time.

    Raises:
        FreshetError: there are none.
    """
    since_ms, until_ms, *_ = split.milliseconds()
    asked = joined([ask(prepared.visits, since_ms, until_ms, moment) for moment in Moment])
    choose = for_training(prepared, recipe, np.random.default_rng(recipe.seed))
    parts = [
        (*_inputs(examples), torch.from_numpy(examples.bought))
        for examples in answers(prepared, asked, choose, "training examples", report)
    ]
    if not parts:
        raise FreshetError("No visit of the training window holds a known item: give an earlier --since.")
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def fit(prepared: Prepared, columns: Columns, split: Split, recipe: Recipe, report: Report) -> Ranker:
    """Return the ranker of the epoch that ranks the validation visits best, by NDCG@20 of what would be served."""
    _, since_ms, until_ms, _ = split.milliseconds()
    asked = some(ask(prepared.visits, since_ms, until_ms, Moment.LAST_EVENT), recipe.validation_visits, recipe.seed)
    held_out = list(answers(prepared, asked, as_served(prepared, recipe), "validation examples", report))
    ranker = new_ranker(prepared, recipe)
    best, best_ndcg = ranker, -1.0
    for _ in _epochs(ranker, columns, negative_weights(len(prepared.vocabulary), recipe), recipe, report):
        ndcg = evaluate(held_out, {"ranker": by_ranker(ranker)})["ranker"].ndcg_at_20
        if ndcg > best_ndcg:
            best, best_ndcg = deepcopy(ranker), ndcg
    return best


def new_ranker(prepared: Prepared, recipe: Recipe) -> Ranker:
    """Return an untrained ranker of the right size."""
    vocabulary, kinds = prepared.vocabulary, prepared.kinds
    shape = Shape(len(vocabulary) + 1, len(vocabulary.categories) + 1, int(kinds.max()) + 1, recipe.width)
    category = torch.from_numpy(vocabulary.item_category.astype(np.int64))
    return Ranker(shape, category, torch.from_numpy(kinds))


def _epochs(
    ranker: Ranker, columns: Columns, log_weights: NDArray[np.float32], recipe: Recipe, report: Report
) -> Iterator[int]:
    generator = np.random.default_rng(recipe.seed)
    count = len(columns[0])
    steps = -(-count // recipe.batch)
    step = _Step(ranker, torch.from_numpy(log_weights), recipe, recipe.epochs * steps)
    for epoch in range(recipe.epochs):
        for number, rows in enumerate(np.array_split(generator.permutation(count), steps), start=1):
            step(tuple(column[torch.from_numpy(rows)] for column in columns))
            report("training", epoch * steps + number, recipe.epochs * steps)
        yield epoch


class _Step:
    def __init__(self, ranker: Ranker, log_weights: Tensor, recipe: Recipe, steps: int) -> None:
        rate = recipe.learning_rate
        self._ranker = ranker
        self._log_weights = log_weights
        self._optimiser = torch.optim.AdamW(ranker.parameters(), lr=rate, weight_decay=recipe.weight_decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(self._optimiser, rate, total_steps=steps, pct_start=0.1)

    def __call__(self, batch: Columns) -> None:
        *inputs, bought = batch
        loss = listwise_loss(self._ranker(*inputs), bought, self._log_weights)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._schedule.step()


def by_ranker(ranker: Ranker) -> Rank:
    """Rank by a model as it is served."""
    served = ranker.served().eval()

    def rank(examples: Examples) -> NDArray[np.float64]:
        with torch.no_grad():
            scores: NDArray[np.float32] = served(*_inputs(examples)).numpy()
        return scores.astype(np.float64)

    return rank


def _inputs(examples: Examples) -> Columns:
    parts = (examples.recent_items, examples.candidates, examples.user_features, examples.candidate_features)
    return tuple(torch.from_numpy(part) for part in parts)
