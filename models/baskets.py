"""The next basket and the rest of a basket, foreseen from a household's habits and from what is bought together.

    visits in order of time ─► Shop (habits, rules, popularity) ─► questions ─► BasketRanker ─► outcomes by visit

A question is asked of what was known before its visit; the visit is learnt after it. Rankings are over all items of the
vocabulary: what a ranking leaves out counts as not found, and no negatives are sampled.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from freshet.models.best import best
from freshet.models.bootstrap import sums_of_draws
from freshet.models.dataset import Events, Visits
from freshet.models.examples import DecayedCounts
from freshet.models.features import DAY_MS, HOUR_MS
from freshet.models.sources.repeat import COLUMNS as HABIT_COLUMNS
from freshet.models.sources.repeat import HabitBook, LearntLoyalty, habit_features
from freshet.models.sources.together import BASKET, BasketRules, cosines, strengths
from freshet.models.user_state import Ints, Reals, UserState

POPULARITY_HALF_LIVES_MS = (DAY_MS, 7 * DAY_MS, 28 * DAY_MS)
POPULAR = 150
"""Popular items among the candidates; what is bought before, and with the basket, comes beside them."""

COMPANY = 150
"""Candidates by each strength of the basket's rules."""

HABITS_ASKED = 60
"""Firmest habits whose own company is looked up."""

ALONE_PRIOR = 0.3
ALONE_PRIOR_PURCHASES = 20.0
"""Of `Shop.alone`: the mean over all items is near 0.3."""

COLUMNS = (
    *HABIT_COLUMNS,
    "popularity of 1 d",
    "popularity of 7 d",
    "popularity of 28 d",
    "known x popularity",
    "alone",
    "known x alone",
    "cosine",
    "confidence",
    "lift",
    "company of habits",
    "cosine x basket size",
    "known x basket size",
    "type in basket",
    "known x type in basket",
)
"""Columns of `BasketRanker.features`; without a basket the last eight are 0."""

TOP = 20
DISCOUNTS = 1.0 / np.log2(np.arange(2, 12))


class Question(NamedTuple):
    """A visit to foresee.

    Attributes:
        user: who comes.
        visit: its position in time.
        state: what is known of him just before; `basket` holds the given part of the basket.
        wanted: int64 [n], known items to find, each once, without the given ones.
    """

    user: int
    visit: int
    state: UserState
    wanted: Ints


class Shop:
    """Everything that the sources read, learnt visit by visit."""

    def __init__(self, kinds: Ints) -> None:
        """Prepare for items 1 .. len(kinds) - 1; `kinds` gives the product type of each."""
        items = len(kinds) - 1
        self.kinds = kinds
        self.habits = HabitBook()
        self.rules = BasketRules(items)
        self.loyalty = LearntLoyalty(items)
        self._popularity = DecayedCounts(items + 1, POPULARITY_HALF_LIVES_MS)
        self._everything = np.arange(items + 1)
        self._standing, self._stands_at = np.zeros((3, items + 1)), -HOUR_MS
        self._alone = np.zeros(items + 1)

    def learn(self, user: int, basket: Ints, at_ms: int) -> None:
        """Count a visit: items from 1, each once; visits come in order of time."""
        before = self.habits.of(user, at_ms).items
        self.loyalty.learn(basket, basket[np.isin(basket, before)])
        self.habits.learn(user, basket, at_ms)
        self.rules.learn(basket)
        self._popularity.add(basket, at_ms)
        self._alone[basket] += len(basket) ** -0.5

    def popularity(self, at_ms: int) -> Reals:
        """Return the decayed counts of all items, float64 [3, V], no older than an hour."""
        if at_ms - self._stands_at >= HOUR_MS:
            self._standing, self._stands_at = self._popularity.read(self._everything, at_ms), at_ms
        return self._standing

    def alone(self, items: Ints) -> Reals:
        """Return how small the baskets with each item are: the smoothed mean of 1 / sqrt(size), float64 [n].

        A visit for two things is as much a visit as one for forty: what is fetched alone is worth a place.
        """
        credit = ALONE_PRIOR * ALONE_PRIOR_PURCHASES
        return np.asarray((self._alone[items] + credit) / (self.rules.totals(items) + ALONE_PRIOR_PURCHASES))


def ask(events: Events, visits: Visits, shop: Shop, since_ms: int, until_ms: int) -> Iterator[Question]:
    """Replay all visits before `until_ms` through a shop; yield a question before each from `since_ms` on is learnt.

    A user's first visit, and one without a known item, are not asked for. The shop stands as of the question only until
    the next one is taken.
    """
    for visit in np.argsort(visits.at, kind="stable").tolist():
        user, at_ms = int(visits.user[visit]), int(visits.at[visit])
        if at_ms >= until_ms:
            return
        basket = np.unique(events.item[visits.start[visit] : visits.end[visit]])
        basket = basket[basket > 0]
        if not len(basket):
            continue
        if at_ms >= since_ms and len(habits := shop.habits.of(user, at_ms)):
            yield Question(user, visit, UserState(at_ms, habits=habits), basket)
        shop.learn(user, basket, at_ms)


def halved(question: Question, seed: int) -> Question | None:
    """Give half of the basket, chosen at random, and leave the rest to find; None where there is one item alone."""
    if len(question.wanted) < 2:
        return None
    mixed = np.random.default_rng((seed, question.visit)).permutation(question.wanted)
    given = mixed[: len(mixed) // 2]
    return question._replace(state=replace(question.state, basket=given), wanted=np.sort(mixed[len(given) :]))


class BasketRanker:
    """Ranks items for a visit by a linear model over habits, popularity and, where there is a basket, its rules."""

    def __init__(self, shop: Shop, weights: Reals | None = None) -> None:
        """Read this shop; `weights` [C] are of `COLUMNS` and come from `fit`."""
        self._shop = shop
        self.weights = np.zeros(len(COLUMNS)) if weights is None else weights

    def rank(self, user: UserState, k: int = TOP) -> Ints:
        """Return the k best items that are not in the basket, best first."""
        items, columns = self.columns(user)
        return np.asarray(items[np.argsort(-(columns @ self.weights), kind="stable")[:k]])

    def columns(self, user: UserState) -> tuple[Ints, Reals]:
        """Return the candidates, int64 [n], and their columns, float64 [n, C]."""
        popularity = self._shop.popularity(user.now_ms)
        size = len(self._shop.kinds)
        parts = [user.habits.items, best(popularity[1], POPULAR)]
        rules = None
        if len(user.basket):
            basket = user.basket[-BASKET:]
            rules = strengths(self._shop.rules, basket, size)
            parts += [best(one, COMPANY) for one in rules]
        is_candidate = np.zeros(size, np.bool_)
        is_candidate[np.concatenate(parts)] = True
        is_candidate[user.basket] = False
        items = np.flatnonzero(is_candidate)
        own = self._own(user, items, popularity)
        beside = np.zeros((len(items), 8)) if rules is None else self._beside(user, items, np.stack(rules), own[:, 0])
        return items, np.hstack([own, beside])

    def _own(self, user: UserState, items: Ints, popularity: Reals) -> Reals:
        habits = habit_features(user.habits, items, self._shop.loyalty.loyalty(items), user.now_ms)
        known, popular = habits[:, 0], np.log1p(popularity[:, items])
        alone = np.log(self._shop.alone(items))
        return np.column_stack([habits, *popular, known * popular[1], alone, known * alone])

    def _beside(self, user: UserState, items: Ints, rules: Reals, known: Reals) -> Reals:
        cosine, confidence, lift = rules[:, items]
        cosine, confidence = np.log(cosine + 0.001), np.log(confidence + 0.003)
        size = np.log(len(user.basket))
        kinds = self._shop.kinds
        same = (np.isin(kinds[items], kinds[user.basket]) & (kinds[items] > 0)).astype(np.float64)
        company = np.log(self._company(user)[items] + 0.003)
        return np.column_stack([cosine, confidence, lift, company, cosine * size, known * size, same, known * same])

    def _company(self, user: UserState) -> Reals:
        # What goes with the basket and with all that the household buys says little of this basket: it is weighed against.
        habits = user.habits
        firmest = best(habits.counts[:, -1], HABITS_ASKED)
        weights = habits.counts[firmest, -1] / (habits.visits[-1] + 1.0)
        return cosines(self._shop.rules, habits.items[firmest], len(self._shop.kinds), weights=weights)


class Example(NamedTuple):
    """Candidates of a visit: float32 [n, C], and bool [n], which were bought."""

    columns: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    is_wanted: np.ndarray[tuple[int], np.dtype[np.bool_]]


def example(ranker: BasketRanker, question: Question) -> Example:
    """Return what `fit` takes of a question."""
    items, columns = ranker.columns(question.state)
    return Example(columns.astype(np.float32), np.isin(items, question.wanted))


def fit(examples: Iterable[Example], ridge: float = 1e-3, steps: int = 12) -> Reals:
    """Return the weights of a listwise softmax: bought items against all candidates of their visit, by Newton's method.

    A visit with n bought items among the candidates weighs sqrt(n). The loss is convex; a step that does not lower it
    is halved.
    """
    kept = [one for one in examples if one.is_wanted.any()]
    columns = np.concatenate([one.columns for one in kept])
    scale = columns.std(axis=0) + 1e-6
    columns /= scale
    visits = _Visits(columns, np.concatenate([one.is_wanted for one in kept]), np.array([len(o.columns) for o in kept]))
    weights = np.zeros(columns.shape[1])
    loss = visits.loss(weights, ridge)
    for _ in range(steps):
        step = visits.newton_step(weights, ridge)
        for _ in range(8):
            after = visits.loss(weights - step, ridge)
            if after <= loss:
                break
            step = step / 2
        gained, weights, loss = loss - after, weights - step, after
        if gained < 1e-6:
            break
    return np.asarray(weights / scale, np.float64)


class _Visits:
    """The loss of all visits at once; candidates of one visit stand together."""

    def __init__(self, columns: np.ndarray, is_wanted: np.ndarray, lengths: Ints) -> None:  # type: ignore[type-arg]
        self._columns = columns
        self._start = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self._lengths = lengths
        wanted = np.add.reduceat(is_wanted.astype(np.float64), self._start)
        self._weight = np.sqrt(wanted) / len(lengths)
        self._target = (is_wanted * np.repeat(self._weight / wanted, lengths)) @ columns

    def loss(self, weights: Reals, ridge: float) -> float:
        scores = self._columns @ weights
        most = np.maximum.reduceat(scores, self._start)
        total = np.add.reduceat(np.exp(scores - np.repeat(most, self._lengths)), self._start)
        logs = most + np.log(total)
        return float(self._weight @ logs - self._target @ weights + ridge * weights @ weights)

    def newton_step(self, weights: Reals, ridge: float) -> Reals:
        scores = self._columns @ weights
        odds = np.exp(scores - np.repeat(np.maximum.reduceat(scores, self._start), self._lengths))
        chance = odds / np.repeat(np.add.reduceat(odds, self._start), self._lengths)
        weighed = self._columns * (chance * np.repeat(np.sqrt(self._weight), self._lengths))[:, None]
        means = np.add.reduceat(weighed, self._start)  # each is sqrt(weight) x the mean over the visit
        gradient = np.sqrt(self._weight) @ means - self._target + 2 * ridge * weights
        inner = weighed.T @ (self._columns * np.repeat(np.sqrt(self._weight), self._lengths)[:, None])
        hessian = inner - means.T @ means + 2 * ridge * np.eye(len(weights))
        return np.asarray(np.linalg.solve(hessian, gradient))


class Outcome(NamedTuple):
    """How well a ranking foresaw one visit."""

    ndcg_at_10: float
    recall_at_10: float
    recall_at_20: float
    hit_at_10: float


def outcome(ranked: Ints, wanted: Ints) -> Outcome:
    """Return the figures of a ranking, best first, of which the first 20 count.

    The ideal list of NDCG@10 has as many wanted items as fit into ten places; recall divides by all that are wanted.
    """
    found = np.isin(ranked[:TOP], wanted).astype(np.float64)
    first = found[:10]
    ideal = DISCOUNTS[: len(wanted)].sum()
    gained = float(first @ DISCOUNTS[: len(first)])
    return Outcome(gained / ideal, first.sum() / len(wanted), found.sum() / len(wanted), float(first.any()))


class Lift(NamedTuple):
    """By how much one ranking is ahead of another in the mean: the share, and the ends of its 95 % interval."""

    share: float
    low: float
    high: float


def paired_lift(ours: Reals, theirs: Reals, users: Sequence[int], seed: int = 0, draws: int = 2000) -> Lift:
    """Return mean(ours) / mean(theirs) - 1 over the same visits, with a bootstrap that draws whole users.

    Args:
        ours: float64 [n], a figure of each visit.
        theirs: float64 [n], the other's.
        users: whose visit each is.
        seed: of the draws.
        draws: how many.
    """
    mine, others = sums_of_draws(users, (ours, theirs), draws, seed).T
    low, high = np.quantile(mine / others - 1.0, [0.025, 0.975])
    return Lift(float(ours.sum() / theirs.sum() - 1.0), float(low), float(high))


@dataclass(frozen=True, eq=False)
class Results:
    """Outcomes of one task: of each ranking a float64 array [visits, 4], in the order of `Outcome`."""

    users: list[int]
    outcomes: Mapping[str, Reals]

    def means(self, name: str) -> Outcome:
        """Return the means of one ranking over the visits."""
        return Outcome(*self.outcomes[name].mean(axis=0).tolist())

    def lift(self, ours: str, theirs: str, figure: str = "ndcg_at_10") -> Lift:
        """Return by how much one is ahead of the other in a figure."""
        column = Outcome._fields.index(figure)
        return paired_lift(self.outcomes[ours][:, column], self.outcomes[theirs][:, column], self.users)
