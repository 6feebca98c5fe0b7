"""How well a ranking foresees a visit, and the two simple rankings that a model has to beat."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freshet.models.candidates import CovisitTable, covisit_scores
from freshet.models.dataset import Split
from freshet.models.examples import Examples, Moment
from freshet.models.features import CANDIDATE_FEATURES
from freshet.models.manifest import Evaluation
from freshet.models.preparation import Prepared, Recipe, Report, answers, as_served, every_item, questions, some

TOP = 20

POPULARITY_OF_THE_DAY = CANDIDATE_FEATURES.index("log1p(item_events_ewma_24h)")

Reals = NDArray[np.float64]
Rank = Callable[[Examples], NDArray[np.floating[Any]]]
"""Scores of the candidates of B users, [B, C]; more is better."""


@dataclass
class Tally:
    """Sums over visits of what `figures` averages."""

    visits: int = 0
    hit: float = 0.0
    ndcg: float = 0.0
    reciprocal: float = 0.0
    shared: float = 0.0

    def add(self, scores: Reals, examples: Examples, reference: Reals) -> None:
        """Count B visits; see `outcomes` and `shared_top`."""
        hit, ndcg, reciprocal = outcomes(scores, examples.wanted, examples.to_find)
        self.visits += len(hit)
        self.hit += float(hit.sum())
        self.ndcg += float(ndcg.sum())
        self.reciprocal += float(reciprocal.sum())
        self.shared += float(shared_top(reference, scores).sum())

    def figures(self) -> "Figures":
        """Return the means."""
        n = max(self.visits, 1)
        return Figures(self.visits, self.hit / n, self.ndcg / n, self.reciprocal / n, self.shared / n)


@dataclass(frozen=True)
class Figures:
    """Means over visits: hit rate and NDCG of the first 20, reciprocal rank of the first item found.

    `overlap_at_20` is the part of the first ranking's first 20 that is among this one's.
    """

    visits: int
    hr_at_20: float
    ndcg_at_20: float
    mrr: float
    overlap_at_20: float


def outcomes(scores: Reals, wanted: NDArray[np.bool_], to_find: NDArray[np.int64]) -> tuple[Reals, Reals, Reals]:
    """Return HR@20, NDCG@20 and reciprocal rank of each visit, three arrays float64 [B].

    Equal scores rank in the order of the candidates. A score of -inf is not in the list at all.

    Args:
        scores: [B, C].
        wanted: bool [B, C], which candidates were bought or clicked.
        to_find: int64 [B], how many items there were to find, candidates or not: the ideal list has them all.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    found = np.take_along_axis(wanted & np.isfinite(scores), order, axis=1)
    discounts = 1.0 / np.log2(np.arange(2, TOP + 2))
    ideal = np.cumsum(discounts)[np.minimum(to_find, TOP) - 1]
    top = found[:, :TOP]
    gained = top @ discounts[: top.shape[1]]
    any_found = found.any(axis=1)
    reciprocal = np.where(any_found, 1.0 / (found.argmax(axis=1) + 1.0), 0.0)
    return top.any(axis=1).astype(np.float64), gained / ideal, reciprocal


def shared_top(reference: Reals, scores: Reals) -> Reals:
    """Return the part of one ranking's first 20 that is among another's, float64 [B]; 1 where there is nothing to list.

    Args:
        reference: [B, C]; -inf is not in the list.
        scores: [B, C], of the same candidates.
    """
    listed, also = (_in_top(one) for one in (reference, scores))
    most = np.maximum(listed.sum(axis=1), 1)
    return np.asarray(np.where(listed.any(axis=1), (listed & also).sum(axis=1) / most, 1.0))


def _in_top(scores: Reals) -> NDArray[np.bool_]:
    listed = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(listed, np.argsort(-scores, axis=1, kind="stable")[:, :TOP], values=True, axis=1)
    return np.asarray(listed & np.isfinite(scores))


def overlap(
    batches: Sequence[Examples],
    reference: Sequence[NDArray[np.floating[Any]]],
    scores: Sequence[NDArray[np.floating[Any]]],
) -> float:
    """Return the mean of `shared_top` over examples, of lists without the recent items."""
    parts = [
        shared_top(without_recent(left, examples), without_recent(right, examples))
        for examples, left, right in zip(batches, reference, scores, strict=True)
    ]
    return float(np.concatenate(parts).mean())


def without_recent(scores: NDArray[np.floating[Any]], examples: Examples) -> Reals:
    """Return the scores with -inf for candidates that are among the user's recent items, or padding."""
    size = 1 + max(int(examples.candidates.max()), int(examples.recent_items.max()))
    barred = np.zeros((len(examples), size), np.bool_)
    np.put_along_axis(barred, examples.recent_items, values=True, axis=1)
    barred[:, 0] = True
    return np.where(np.take_along_axis(barred, examples.candidates, axis=1), -np.inf, scores)


def evaluate(batches: Iterable[Examples], rankings: Mapping[str, Rank]) -> dict[str, Figures]:
    """Return the figures of each ranking over the same examples; overlaps are with the first ranking."""
    tallies = {name: Tally() for name in rankings}
    for examples in batches:
        scores = {name: without_recent(rank(examples), examples) for name, rank in rankings.items()}
        first = next(iter(scores.values()))
        for name, mine in scores.items():
            tallies[name].add(mine, examples, first)
    return {name: tally.figures() for name, tally in tallies.items()}


def by_popularity(examples: Examples) -> Reals:
    """Rank by baskets of the training window: item indices are given in that order."""
    return -examples.candidates.astype(np.float64)


def by_popularity_of_the_day(examples: Examples) -> Reals:
    """Rank by the decayed count of the last day, read when the other features are."""
    return examples.candidate_features[:, :, POPULARITY_OF_THE_DAY].astype(np.float64)


def by_covisits(table: CovisitTable) -> Rank:
    """Rank by the co-visit score, and by popularity where it is equal or there is none."""

    def rank(examples: Examples) -> Reals:
        totals = np.stack([covisit_scores(recent, table) for recent in examples.recent_items])
        scores = np.take_along_axis(totals, examples.candidates, axis=1)
        # Far below any co-visit score, so that it only parts equals.
        return np.asarray(scores - 1e-12 * examples.candidates)

    return rank


def measure(
    prepared: Prepared, split: Split, recipe: Recipe, models: Mapping[str, Rank], report: Report
) -> tuple[Evaluation, ...]:
    """Return the figures of models and baselines over the visits of the test days, in three settings.

    What is served, by the features of the user's last event and by those of the visit itself; then the whole
    vocabulary, for a random part of the visits. Overlaps are with the first of the models.
    """
    rankings = {
        **models,
        "popularity": by_popularity,
        "popularity of the day": by_popularity_of_the_day,
        "co-visits": by_covisits(prepared.table),
    }
    served, every = as_served(prepared, recipe), every_item(prepared)
    *_, since_ms, until_ms = split.milliseconds()
    asked = {
        moment: questions(prepared, since_ms, until_ms, moment, recipe.test_visits, recipe.seed) for moment in Moment
    }
    few = some(asked[Moment.VISIT], recipe.all_items_visits, recipe.seed)
    evaluations: list[Evaluation] = []
    for candidates, moment, chosen, choose in (
        ("served", Moment.LAST_EVENT, asked[Moment.LAST_EVENT], served),
        ("served", Moment.VISIT, asked[Moment.VISIT], served),
        ("all", Moment.VISIT, few, every),
    ):
        batches = answers(prepared, chosen, choose, f"test, {candidates}, {moment.value}", report)
        setting = {"candidates": candidates, "moment": moment.value}
        for ranking, figures in evaluate(batches, rankings).items():
            evaluations.append(Evaluation.model_validate({"ranking": ranking, **setting, **asdict(figures)}))
    return tuple(evaluations)
