"""Next basket and basket completion on the transactions of 2017, with a split by time.

    python benchmarks/quality/journey.py [--users N] [--every N] [--seed N] [--without-peers] [--bundles] [--json FILE]

Learnt before November, fitted and tuned on November, tested on December; all rankings are over the whole vocabulary.
What the peers know of a household is as fresh as what ours knows: its habits at the instant of the visit. The models of
implicit are fitted to all visits before the month that they rank.
"""

import argparse
import itertools
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from freshet.errors import FreshetError
from freshet.models import dataset
from freshet.models.baskets import (
    TOP,
    BasketRanker,
    Outcome,
    Question,
    Results,
    Shop,
    ask,
    example,
    fit,
    halved,
    outcome,
)
from freshet.models.bundles import Bundle, Offer, bundle, offers_now
from freshet.models.features import DAY_MS
from freshet.models.offers import coupon_offers, promotion_offers, read_offers, week_of
from freshet.models.preparation import Recipe
from freshet.models.sources.repeat import HabitBook
from freshet.models.user_state import Ints, Reals

TASKS = ("next basket", "completion")
OURS = "Freshet"
FREQUENCY_DAYS = (30, 60, 90, 120, 180, 365)
POPULARITY_DAYS = (1, 7, 28)
TUNED_ON = 8
"""Every so many visits of November choose the settings of the peers."""


Ranking = list[Ints]
"""The first items for each question, best first."""

SPARE = 60
"""Items asked for beyond the first 20, since those in the basket are taken out afterwards."""

BATCH = 1000


class Peer(NamedTuple):
    """A configuration of a peer: its family, what is set, and what ranks."""

    family: str
    setting: str
    rank: Callable[[Sequence[Question]], Ranking]


class Query(NamedTuple):
    """How a household becomes a row of weights: habits of one half-life, and the given items."""

    name: str
    half_life: int | None
    given: float


NEXT_QUERIES = (Query("habits 30 d", 1, 0.0), Query("habits 120 d", 2, 0.0))
REST_QUERIES = (
    Query("basket", None, 1.0),
    Query("habits 120 d + basket", 2, 1.0),
    Query("habits 120 d + 4 baskets", 2, 4.0),
)


def implicit_peers(
    data: "Data", until_ms: int, queries: Sequence[Query], chosen: Mapping[str, str] | None = None
) -> Iterator[Peer]:
    """Yield item-item and ALS peers fitted to the visits before an instant, one for each setting, or those chosen.

    Raises:
        FreshetError: implicit is not installed.
    """
    try:
        from implicit import als, nearest_neighbours
    except ImportError:
        raise FreshetError("implicit is missing: run pip install implicit==0.7.3, or give --without-peers.") from None
    warnings.filterwarnings("ignore", module="implicit")
    baskets, households = _matrices(data.events, data.visits, data.items, until_ms)
    for (of, rows), kind, k in itertools.product(
        (("baskets", baskets), ("households", households)), ("Cosine", "BM25"), (5, 20, 50)
    ):
        named = _named(f"{kind}, K={k}, of {of}", "item-item", queries, chosen)
        if named:
            model = getattr(nearest_neighbours, f"{kind}Recommender")(K=k, num_threads=1)
            model.fit(rows, show_progress=False)
            for setting, query in named:
                yield Peer("item-item", setting, _by_similarity(model.similarity, query, data.items))
    for (of, rows), factors, alpha in itertools.product(
        (("baskets", baskets), ("log of households", households.log1p())), (64, 128), (1.0, 10.0)
    ):
        named = _named(f"{factors} factors, alpha={alpha:.0f}, of {of}", "ALS", queries, chosen)
        if named:
            model = als.AlternatingLeastSquares(
                factors=factors, alpha=alpha, regularization=0.05, iterations=8, num_threads=1, random_state=1
            )
            model.fit(rows, show_progress=False)
            for setting, query in named:
                yield Peer("ALS", setting, _by_factors(model, query, data.items))


def _named(
    model: str, family: str, queries: Sequence[Query], chosen: Mapping[str, str] | None
) -> list[tuple[str, Query]]:
    pairs = [(f"{model}, by {query.name}", query) for query in queries]
    return [(name, query) for name, query in pairs if chosen is None or chosen[family] == name]


def _matrices(events: dataset.Events, visits: dataset.Visits, items: int, until_ms: int) -> tuple[Any, Any]:
    import scipy.sparse

    number = np.repeat(np.arange(len(visits)), visits.end - visits.start)
    is_kept = (events.item > 0) & (events.at < until_ms)
    cells = np.unique(np.column_stack([number[is_kept], events.item[is_kept]]), axis=0)
    ones = np.ones(len(cells), np.float32)
    baskets = scipy.sparse.csr_matrix((ones, (cells[:, 0], cells[:, 1])), shape=(len(visits), items + 1))
    of_user = scipy.sparse.csr_matrix((np.ones(len(visits), np.float32), (visits.user, np.arange(len(visits)))))
    return baskets[np.diff(baskets.indptr) > 0], (of_user @ baskets).tocsr()


def _rows(questions: Sequence[Question], query: Query, items: int) -> Any:
    import scipy.sparse

    rows, columns, weights = [], [], []
    for row, question in enumerate(questions):
        habits, given = question.state.habits, question.state.basket
        if query.half_life is not None:
            rows.append(np.full(len(habits), row))
            columns.append(habits.items)
            weights.append(habits.counts[:, query.half_life])
        rows.append(np.full(len(given), row))
        columns.append(given)
        weights.append(np.full(len(given), query.given))
    cells = (np.concatenate(rows), np.concatenate(columns))
    return scipy.sparse.csr_matrix(
        (np.concatenate(weights).astype(np.float32), cells), shape=(len(questions), items + 1)
    )


def _batches(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    for start in range(0, len(questions), BATCH):
        yield questions[start : start + BATCH]


def _by_similarity(similarity: Any, query: Query, items: int) -> Callable[[Sequence[Question]], Ranking]:
    def rank(questions: Sequence[Question]) -> Ranking:
        ranked: Ranking = []
        for batch in _batches(questions):
            scores = (_rows(batch, query, items) @ similarity).toarray()
            ranked += [_first(row, question.state.basket) for row, question in zip(scores, batch, strict=True)]
        return ranked

    return rank


def _by_factors(model: Any, query: Query, items: int) -> Callable[[Sequence[Question]], Ranking]:
    def rank(questions: Sequence[Question]) -> Ranking:
        ranked: Ranking = []
        for batch in _batches(questions):
            found, _ = model.recommend(
                np.arange(len(batch)),
                _rows(batch, query, items),
                N=TOP + SPARE,
                filter_already_liked_items=False,
                recalculate_user=True,
            )
            pairs = zip(found, batch, strict=True)
            ranked += [ids[~np.isin(ids, question.state.basket)][:TOP].astype(np.int64) for ids, question in pairs]
        return ranked

    return rank


class Data(NamedTuple):
    """The transactions as numbers, and the four instants of the split."""

    events: dataset.Events
    visits: dataset.Visits
    kinds: Ints
    split: tuple[int, int, int, int]
    index_of: Mapping[str, int]
    household_of: Mapping[str, int]

    @property
    def items(self) -> int:
        """Size of the vocabulary."""
        return len(self.kinds) - 1


def read(users: int | None) -> Data:
    """Read the transactions; the vocabulary is what was sold often before November."""
    purchases = dataset.read_purchases(users)
    split = dataset.Split().milliseconds()
    vocabulary = dataset.build_vocabulary(purchases[purchases["at"] < split[1]], Recipe().least_baskets)
    events = dataset.to_events(purchases, vocabulary)
    household_of = {name: number for number, name in enumerate(np.unique(purchases["user"].to_numpy(str)).tolist())}
    kinds = dataset.item_kinds(purchases, vocabulary)
    return Data(events, dataset.to_visits(events), kinds, split, vocabulary.index_of, household_of)


class Offers:
    """The coupons of households and the promotions of their shops: of each, the one of its last visit before December."""

    def __init__(self, data: Data) -> None:
        """Read them."""
        tables = read_offers(("coupons", "campaigns", "campaign_descriptions", "promotions", "transactions"))
        self._coupons = coupon_offers(
            tables["coupons"], tables["campaigns"], tables["campaign_descriptions"], data.index_of, data.household_of
        )
        week = week_of(dataset.Split().test)
        promotions = tables["promotions"][tables["promotions"]["week"] >= week]
        self._promotions = {
            int(store): promotion_offers(rows, int(store), data.index_of)
            for store, rows in promotions.groupby("store_id")
        }
        before = tables["transactions"][tables["transactions"]["week"] < week]
        last = before.sort_values("transaction_timestamp").groupby("household_id")["store_id"].last()
        self._store_of = {data.household_of.get(str(name)): int(store) for name, store in last.items()}

    def of(self, household: int, day: date) -> list[Offer]:
        """Return the offers of a household on a day."""
        promotions = self._promotions.get(self._store_of.get(household, 0), [])
        return offers_now([*self._coupons, *promotions], household, day)


class Asked(NamedTuple):
    """A question as its task puts it, with the rankings that are made on the spot."""

    question: Question
    rankings: dict[str, Ints]


class Run:
    """One pass over the year: November fits the rankers, December is ranked by them."""

    def __init__(self, data: Data, every: int, seed: int, offers: Offers | None = None) -> None:
        """Ask about every so many visits; with offers, make bundles for the half baskets of December."""
        self._data, self._every, self._seed, self._offers = data, every, seed, offers
        self.bundles: list[Bundled] = []
        self._shop = Shop(data.kinds)
        self._frequency = HabitBook([days * DAY_MS for days in FREQUENCY_DAYS])
        self.rankers = {task: BasketRanker(self._shop) for task in TASKS}
        self.microseconds: dict[str, list[float]] = {task: [] for task in TASKS}

    def go(self) -> tuple[dict[str, list[Asked]], dict[str, list[Asked]]]:
        """Return what was asked of November and of December, by task."""
        _, november, december, until = self._data.split
        asked: tuple[dict[str, list[Asked]], ...] = tuple({task: [] for task in TASKS} for _ in range(2))
        examples: dict[str, list[Any]] = {task: [] for task in TASKS}
        is_fitted = False
        for number, (visit, question) in enumerate(self._questions(november, until)):
            is_test = visit >= december
            if is_test and not is_fitted:
                self._fit(examples)
                is_fitted = True
            if number % self._every:
                continue
            for task, one in self._tasks(question):
                rankings = self._rankings(task, one, is_test=is_test)
                asked[is_test][task].append(Asked(one, rankings))
                if not is_test and number % 2 == 0:
                    examples[task].append(example(self.rankers[task], one))
        return asked[0], asked[1]

    def _questions(self, since_ms: int, until_ms: int) -> Iterator[tuple[int, Question]]:
        # The baseline's own half-lives are counted beside, by the same visits.
        events, visits = self._data.events, self._data.visits
        order = iter(np.argsort(visits.at, kind="stable").tolist())
        for question in ask(events, visits, self._shop, since_ms, until_ms):
            for visit in order:
                if visit == question.visit:
                    yield int(visits.at[visit]), question
                basket = np.unique(events.item[visits.start[visit] : visits.end[visit]])
                if len(basket := basket[basket > 0]):
                    self._frequency.learn(int(visits.user[visit]), basket, int(visits.at[visit]))
                if visit == question.visit:
                    break

    def _tasks(self, question: Question) -> Iterator[tuple[str, Question]]:
        yield "next basket", question
        if (rest := halved(question, self._seed)) is not None:
            yield "completion", rest

    def _fit(self, examples: Mapping[str, Sequence[Any]]) -> None:
        for task, ranker in self.rankers.items():
            ranker.weights = fit(examples[task])

    def _rankings(self, task: str, question: Question, *, is_test: bool) -> dict[str, Ints]:
        popularity = self._shop.popularity(question.state.now_ms)
        given = question.state.basket
        rankings = {
            f"popularity, half-life {days} d": _first(counts, given)
            for days, counts in zip(POPULARITY_DAYS, popularity, strict=True)
        }
        own = self._frequency.of(question.user, question.state.now_ms)
        for days, counts in zip(FREQUENCY_DAYS, own.counts.T, strict=True):
            scores = popularity[1] * 1e-9  # parts equals, and fills up where a household has bought little
            scores[own.items] += counts
            rankings[f"personal frequency, half-life {days} d"] = _first(scores, given)
        if is_test:
            started = time.perf_counter()
            rankings[OURS] = self.rankers[task].rank(question.state)
            self.microseconds[task].append((time.perf_counter() - started) * 1e6)
            if self._offers is not None and len(given):
                self._bundle(question, rankings)
        return rankings

    def _bundle(self, question: Question, rankings: Mapping[str, Ints]) -> None:
        assert self._offers is not None
        state = question.state
        day = datetime.fromtimestamp(state.now_ms / 1000, timezone.utc).date()
        offers = self._offers.of(question.user, day)
        found = bundle(self._shop.rules, state.basket, rankings[OURS], self._data.kinds, offers)
        self.bundles.append(Bundled(question, found, rankings["popularity, half-life 7 d"]))


class Bundled(NamedTuple):
    """A half basket with the bundle made for it, if any, and the popular items that it competes with."""

    question: Question
    bundle: Bundle | None
    popular: Ints


def report_bundles(bundled: Sequence[Bundled]) -> dict[str, float]:
    """Print and return how often a bundle is made, holds what is bought, and comes with a discount."""
    made = [(one, one.bundle) for one in bundled if one.bundle is not None]
    n = max(len(made), 1)
    hits = [
        bool({rule.follower for rule in found.accessories} & set(one.question.wanted.tolist())) for one, found in made
    ]
    chance = [bool(np.isin(one.popular[: len(found.accessories)], one.question.wanted).any()) for one, found in made]
    interest = [bool({item for item, _ in found.interests} & set(one.question.wanted.tolist())) for one, found in made]
    kinds = [found.discount.offer.kind for _, found in made if found.discount is not None]
    figures = {
        "half_baskets": float(len(bundled)),
        "with_bundle": len(made) / max(len(bundled), 1),
        "accessory_bought": sum(hits) / n,
        "as_many_popular_bought": sum(chance) / n,
        "interest_bought": sum(interest) / n,
        "with_coupon": kinds.count("coupon") / n,
        "with_promotion": kinds.count("promotion") / n,
    }
    print(
        "\nbundles for half baskets of December: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    )
    return figures


def _first(scores: Reals, given: Ints) -> Ints:
    scores = scores.copy()
    scores[given] = scores[0] = 0.0
    top = np.argpartition(-scores, TOP)[:TOP]
    top = top[np.lexsort((top, -scores[top]))]
    return np.asarray(top[scores[top] > 0], np.int64)


def outcomes(asked: Sequence[Asked], rankings: Sequence[Ints]) -> Reals:
    """Return the outcome of each visit, float64 [n, 4]."""
    return np.array([outcome(ranked, one.question.wanted) for one, ranked in zip(asked, rankings, strict=True)])


def best_of_family(tuned: Sequence[Asked], families: Mapping[str, Mapping[str, Ranking]]) -> dict[str, str]:
    """Return the setting with the best NDCG@10 of each family."""
    return {
        family: max(settings, key=lambda name: outcomes(tuned, settings[name])[:, 0].mean())
        for family, settings in families.items()
    }


def tested(
    data: Data, tuned: list[Asked], test: list[Asked], *, task: str, with_peers: bool
) -> tuple[Results, dict[str, str]]:
    """Choose settings on November and return the outcomes of December with them."""
    tuned = tuned[::TUNED_ON]
    families: dict[str, dict[str, Ranking]] = {}
    for name in tuned[0].rankings:
        families.setdefault(name.partition(",")[0], {})[name] = [one.rankings[name] for one in tuned]
    chosen = best_of_family(tuned, families)
    found = {family: [one.rankings[name] for one in test] for family, name in chosen.items()}
    found[OURS] = [one.rankings[OURS] for one in test]
    if with_peers:
        queries = REST_QUERIES if task == "completion" else NEXT_QUERIES
        picked = _picked_peers(tuned, implicit_peers(data, data.split[1], queries))
        chosen |= picked
        asked = [one.question for one in test]
        found |= {peer.family: peer.rank(asked) for peer in implicit_peers(data, data.split[2], queries, picked)}
    return Results(
        [one.question.user for one in test], {name: outcomes(test, of) for name, of in found.items()}
    ), chosen


def _picked_peers(tuned: Sequence[Asked], peers: Iterator[Peer]) -> dict[str, str]:
    questions = [one.question for one in tuned]
    figures: dict[str, dict[str, float]] = {}
    for peer in peers:
        ndcg = outcomes(tuned, peer.rank(questions))[:, 0].mean()
        figures.setdefault(peer.family, {})[peer.setting] = float(ndcg)
    return {family: max(settings, key=settings.__getitem__) for family, settings in figures.items()}


def report(task: str, results: Results, chosen: Mapping[str, str]) -> dict[str, Any]:
    """Print the table of a task and return its figures."""
    print(f"\n{task}: {len(results.users):,} visits of {len(set(results.users)):,} households in December")
    print(f"{'':20s}" + "".join(f"{name.replace('_at_', '@'):>12s}" for name in Outcome._fields))
    for name in sorted(results.outcomes, key=lambda one: results.means(one)[0]):
        print(f"{name:20s}" + "".join(f"{value:12.4f}" for value in results.means(name)) + f"   {chosen.get(name, '')}")
    best_peer = max((name for name in results.outcomes if name != OURS), key=lambda one: results.means(one)[0])
    lift = results.lift(OURS, best_peer)
    print(f"ahead of {best_peer} in NDCG@10 by {lift.share:+.1%} ({lift.low:+.1%} to {lift.high:+.1%})")
    return {
        "visits": len(results.users),
        "rankings": {name: results.means(name)._asdict() for name in results.outcomes},
        "settings": dict(chosen),
        "best_peer": best_peer,
        "lift": lift._asdict(),
    }


def main() -> None:
    """Run both tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=None, help="households; all where it is not given")
    parser.add_argument("--every", type=int, default=1, help="ask about every so many visits")
    parser.add_argument("--seed", type=int, default=0, help="of the halves of the baskets")
    parser.add_argument("--without-peers", action="store_true", help="leave implicit out")
    parser.add_argument("--bundles", action="store_true", help="make bundles with discounts for the half baskets too")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")
    options = parser.parse_args()
    data = read(options.users)
    run = Run(data, options.every, options.seed, Offers(data) if options.bundles else None)
    tuned, test = run.go()
    figures: dict[str, Any] = {}
    for task in TASKS:
        found = tested(data, tuned[task], test[task], task=task, with_peers=not options.without_peers)
        figures[task] = report(task, *found)
        micros = np.array(run.microseconds[task])
        print(f"one ranking takes {np.median(micros):,.0f} us, {np.quantile(micros, 0.99):,.0f} us at p99")
        figures[task]["weights"] = run.rankers[task].weights.tolist()
    if options.bundles:
        figures["bundles"] = report_bundles(run.bundles)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
