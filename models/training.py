"""Trains the ranker from purchases, and measures it against popularity and co-visits. Needs torch."""

# mypy: allow-untyped-calls
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from freshet.models.candidates import CovisitTable, candidates
from freshet.models.covisits import learn_covisits
from freshet.models.dataset import Events, Split, Visits, build_vocabulary, item_kinds, to_events, to_visits, to_ms
from freshet.models.evaluation import Figures, Rank, by_covisits, by_popularity, evaluate
from freshet.models.examples import Choose, Examples, Ints, Moment, Questions, Walk, ask, joined
from freshet.models.ranker import Ranker, Shape, listwise_loss
from freshet.models.vocabulary import Vocabulary

Report = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Recipe:
    """What a training run is made of, beside the data."""

    seed: int = 7
    epochs: int = 6
    batch: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 1e-6
    width: int = 32
    least_baskets: int = 40
    positives: int = 8
    served_negatives: int = 48
    other_negatives: int = 24
    served: int = 200
    validation_visits: int = 3000
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is learnt and counted before the network is trained."""

    vocabulary: Vocabulary
    kinds: Ints
    table: CovisitTable
    visits: Visits
    walk: Walk

    @property
    def popular(self) -> Ints:
        """All items, the most bought first: the order of the vocabulary."""
        return np.arange(1, len(self.vocabulary) + 1)


def prepare(purchases: pd.DataFrame, split: Split, recipe: Recipe) -> Prepared:
    """Build the vocabulary and the co-visit table from the training window alone, and number all events."""
    trained_on = purchases[purchases["at"] < to_ms(split.validation)]
    vocabulary = build_vocabulary(trained_on, recipe.least_baskets)
    events = to_events(purchases, vocabulary)
    visits = to_visits(events)
    table = learn_covisits(events, visits, len(vocabulary), to_ms(split.validation))
    walk = Walk(events, visits, len(vocabulary.categories), vocabulary.item_category)
    return Prepared(vocabulary, item_kinds(trained_on, vocabulary), table, visits, walk)


def for_training(prepared: Prepared, recipe: Recipe, generator: np.random.Generator) -> Choose:
    """Pick items bought, then items not bought that would be served, then any; see `negative_weights`.

    A slot stays 0 where there are fewer, and where a draw meets an item that was bought or is among the recent ones.
    """
    size = len(prepared.vocabulary)
    first, second = recipe.positives, recipe.positives + recipe.served_negatives
    barred = np.zeros(size + 1, np.bool_)

    def choose(recent: Ints, targets: Ints) -> Ints:
        row = np.zeros(second + recipe.other_negatives, np.int64)
        bought = generator.permutation(targets)[: recipe.positives]
        served = candidates(recent, prepared.table, prepared.popular, recipe.served).indices
        some = served[generator.permutation(len(served))[: recipe.served_negatives]]
        row[first : first + len(some)] = some
        row[second:] = generator.integers(1, size + 1, recipe.other_negatives)
        barred[targets] = barred[recent] = True
        row[barred[row]] = 0
        barred[targets] = barred[recent] = False
        row[: len(bought)] = bought
        return row

    return choose


def negative_weights(items: int, recipe: Recipe) -> NDArray[np.float32]:
    """Return the log of how many items each candidate of `for_training` stands for, float32 [C].

    Served negatives are drawn far more densely than others. Weighted so, the sum of their odds estimates that of the
    whole vocabulary, and scores learn how likely an item is, not how seldom it is drawn.
    """
    served = min(recipe.served, items)
    each = (1.0, served / recipe.served_negatives, max(items - served, 1) / recipe.other_negatives)
    return np.log(np.repeat(each, (recipe.positives, recipe.served_negatives, recipe.other_negatives))).astype(np.float32)


def as_served(prepared: Prepared, recipe: Recipe) -> Choose:
    """Pick the candidates that the stream job would score."""

    def choose(recent: Ints, targets: Ints) -> Ints:
        row = np.zeros(recipe.served, np.int64)
        found = candidates(recent, prepared.table, prepared.popular, recipe.served).indices
        row[: len(found)] = found
        return row

    return choose


def every_item(prepared: Prepared) -> Choose:
    """Pick the whole vocabulary."""
    return lambda recent, targets: prepared.popular
