"""What is counted and drawn before a network is trained: vocabulary, co-visits, and candidates for the examples."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freshet.models.candidates import CovisitTable, candidates
from freshet.models.covisits import learn_covisits
from freshet.models.dataset import (
    PURCHASE,
    Split,
    Visits,
    build_vocabulary,
    item_kinds,
    to_events,
    to_ms,
    to_visits,
    types_of,
)
from freshet.models.examples import Choose, Examples, Ints, Moment, Questions, Walk, ask
from freshet.models.factors import Factors, learn_factors
from freshet.models.features import SESSION_GAP_MS
from freshet.models.vocabulary import Vocabulary

Report = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done, and of how much."""

ANSWERED_AT_ONCE = 64  # with the whole vocabulary as candidates, 64 users are 8 MB of features


@dataclass(frozen=True)
class Recipe:
    """What a training run is made of, beside the data.

    Attributes:
        least_baskets: an item bought in fewer baskets of the training window is not in the vocabulary.
        positives, served_negatives, other_negatives: candidates of a training example; see `for_training`.
        served: candidates that the stream job scores.
        training_examples, distilled_visits, validation_visits, test_visits, all_items_visits: most visits that are learnt
            from, that the light model is distilled from, that are measured after each epoch, at the end, and over the
            whole vocabulary; a random part where there are more.
        threads: of torch.
    """

    seed: int = 7
    epochs: int = 3
    batch: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 1.0
    width: int = 32
    least_baskets: int = 40
    positives: int = 8
    served_negatives: int = 48
    other_negatives: int = 24
    served: int = 200
    training_examples: int = 300_000
    distilled_visits: int = 6000
    validation_visits: int = 3000
    test_visits: int = 20_000
    all_items_visits: int = 4000
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is learnt and counted before the network is trained.

    `horizon_ms` is how long after its instant the answer to a visit ends; 0: with the visit.
    """

    vocabulary: Vocabulary
    kinds: Ints
    table: CovisitTable
    factors: Factors
    visits: Visits
    walk: Walk
    horizon_ms: int = 0


def horizon_of(log: pd.DataFrame) -> int:
    """Return how long after its instant the answer to a visit ends, ms.

    Purchases alone come in baskets, and the basket is the answer. In a log of all events one instant is one event, and a
    purchase follows clicks: there the answer is what happens until a session would be over.
    """
    return 0 if (types_of(log) == PURCHASE).all() else SESSION_GAP_MS


def prepare(log: pd.DataFrame, split: Split, recipe: Recipe) -> Prepared:
    """Build the vocabulary, the co-visit table and the factors from the training window alone, and number all events."""
    until_ms = to_ms(split.validation)
    trained_on = log[log["at"] < until_ms]
    vocabulary = build_vocabulary(trained_on, recipe.least_baskets)
    events = to_events(log, vocabulary)
    visits = to_visits(events)
    table = learn_covisits(events, visits, len(vocabulary), until_ms)
    is_training = events.at < until_ms
    factors = learn_factors(events.user[is_training], events.item[is_training], len(vocabulary), seed=recipe.seed)
    walk = Walk(events, visits, len(vocabulary.categories), vocabulary.item_category)
    kinds = item_kinds(trained_on, vocabulary)
    return Prepared(vocabulary, kinds, table, factors, visits, walk, horizon_of(log))


def questions(prepared: Prepared, since_ms: int, until_ms: int, moment: Moment, most: int, seed: int) -> Questions:
    """Return at most so many questions of a period (ms, the end not included), drawn at random."""
    return some(ask(prepared.visits, since_ms, until_ms, moment, prepared.horizon_ms), most, seed)


def for_training(prepared: Prepared, recipe: Recipe, generator: np.random.Generator) -> Choose:
    """Pick items bought, then items not bought that would be served, then any; see `negative_weights`.

    A slot stays 0 where there are fewer, and where a draw meets an item that was bought or is among the recent ones.
    """
    size = len(prepared.vocabulary)
    first, second = recipe.positives, recipe.positives + recipe.served_negatives
    barred = np.zeros(size + 1, np.bool_)

    def choose(recent: Ints, popular: Ints, targets: Ints) -> Ints:
        row = np.zeros(second + recipe.other_negatives, np.int64)
        bought = generator.permutation(targets)[: recipe.positives]
        served = candidates(recent, prepared.table, popular, recipe.served).indices
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
    counts = (recipe.positives, recipe.served_negatives, recipe.other_negatives)
    return np.asarray(np.log(np.repeat(each, counts)), dtype=np.float32)


def as_served(prepared: Prepared, recipe: Recipe) -> Choose:
    """Pick the candidates that the stream job would score."""

    def choose(recent: Ints, popular: Ints, targets: Ints) -> Ints:
        row = np.zeros(recipe.served, np.int64)
        found = candidates(recent, prepared.table, popular, recipe.served).indices
        row[: len(found)] = found
        return row

    return choose


def every_item(prepared: Prepared) -> Choose:
    """Pick the whole vocabulary."""
    everything = np.arange(1, len(prepared.vocabulary) + 1)
    return lambda recent, popular, targets: everything


def answers(prepared: Prepared, asked: Questions, choose: Choose, stage: str, report: Report) -> Iterator[Examples]:
    """Yield the examples of these questions in batches, and report how many are done.

    Questions with nothing to find make no example, so the last report may come early.
    """
    done = 0
    report(stage, 0, len(asked))
    for examples in prepared.walk.answer(asked, choose, ANSWERED_AT_ONCE):
        done += len(examples)
        report(stage, done, len(asked))
        yield examples
    report(stage, len(asked), len(asked))


def some(asked: Questions, most: int, seed: int) -> Questions:
    """Return at most so many of the questions, drawn at random, in their order."""
    if len(asked) <= most:
        return asked
    drawn = np.random.default_rng(seed).choice(len(asked), most, replace=False)
    return asked.take(np.sort(drawn))
