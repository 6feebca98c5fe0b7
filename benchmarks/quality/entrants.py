"""Who takes part on MovieLens, with the knobs that did best on events 20,000 to 50,000: see `tune.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from movielens import MovieLens
from stream_peers import ItemCosine, Lists, Peer, Popularity, SequentialRules, Stale, Sum, UserNeighbours

from freshet.models.prequential import Model
from freshet.models.recommender import Recommender

Make = Callable[[MovieLens], Peer]


@dataclass(frozen=True)
class Task:
    """Who is walked over which order of the ties, and how many events at a time are learnt."""

    name: str
    seed: int
    every: int = 1
    quick: bool = False

    def model(self, films: MovieLens) -> Model:
        """Make who is walked."""
        if self.name == AT_HAND:
            return Lists(cosine_and_rules(5, self.every)(films), films.vocabulary)
        model = Recommender() if self.name == OURS else Lists(PEERS[self.name].make(films), films.vocabulary)
        return Stale(model, self.every) if self.every > 1 else model


@dataclass(frozen=True)
class Entrant:
    """Who takes part.

    Attributes:
        make: makes it anew for a stream.
        by: whose code it is.
        renewed: what is renewed with each event, or after how many.
        seeds: over how many orders of the ties it is walked.
    """

    make: Make
    by: str
    renewed: str = "each event"
    seeds: int = 1


def library(name: str, *first: object, **options: object) -> Make:
    """Return what makes a peer of `libraries.py`; the libraries are imported by whom they are needed."""

    def make(films: MovieLens) -> Peer:
        import libraries

        peer: Peer = getattr(libraries, name)(*first, films.vocabulary, films.crowd, **options)
        return peer

    return make


def neighbours(name: str, last: int, **options: float) -> Make:
    """Return what makes an item-item recommender of implicit."""

    def make(films: MovieLens) -> Peer:
        from implicit import nearest_neighbours
        from libraries import Neighbours

        recommender = partial(getattr(nearest_neighbours, name), num_threads=1, **options)
        return Neighbours(recommender, films.vocabulary, films.crowd, every=1_000, last=last)

    return make


def river(**options: float) -> Make:
    """Return what makes the factorisation of river."""

    def make(films: MovieLens) -> Peer:
        from libraries import RiverFactors

        return RiverFactors(films.vocabulary, **options)

    return make


def cosine_and_rules(last: int, every: int = 1) -> Make:
    """Return what makes the strongest peer that a few lines make; its tables learn so many events at a time."""
    return lambda films: Sum(ItemCosine(films.vocabulary, last, every), SequentialRules(films.vocabulary, 20, every))


FACTORS = {"factors": 16, "regularization": 5.0, "alpha": 1.0, "iterations": 10}
PAIRWISE = {"factors": 32, "learning_rate": 0.05, "regularization": 0.01, "iterations": 200}

PEERS = {
    "popularity": Entrant(lambda films: Popularity(films.vocabulary), "by hand"),
    "popularity, half-life 2,000": Entrant(lambda films: Popularity(films.vocabulary, 2_000), "by hand"),
    "item cosine, last 20": Entrant(lambda films: ItemCosine(films.vocabulary, 20), "by hand"),
    "item cosine, last 5": Entrant(lambda films: ItemCosine(films.vocabulary, 5), "by hand"),
    "sequential rules": Entrant(lambda films: SequentialRules(films.vocabulary, 20), "by hand"),
    "user neighbours (V-SKNN)": Entrant(lambda films: UserNeighbours(films.vocabulary, 20, 20, films.crowd), "by hand"),
    "cosine 20 + rules": Entrant(cosine_and_rules(20), "by hand", seeds=5),
    "cosine 5 + rules": Entrant(cosine_and_rules(5), "by hand", seeds=5),
    "cosine, item-item": Entrant(neighbours("CosineRecommender", 10, K=1_682), "implicit", "1,000"),
    "TF-IDF, item-item": Entrant(neighbours("TFIDFRecommender", 10, K=400), "implicit", "1,000"),
    "BM25, item-item": Entrant(neighbours("BM25Recommender", 10, K=1_682), "implicit", "1,000"),
    "ALS": Entrant(library("Als", FACTORS, every=5_000, last=10), "implicit", "5,000"),
    "BPR": Entrant(library("Bpr", PAIRWISE, every=5_000, last=10), "implicit", "5,000"),
    "EASE": Entrant(library("Ease", 1_000.0, every=2_000, last=10), "rectools", "2,000"),
    "BiasedMF": Entrant(river(factors=8, rate=0.1, negatives=10), "river"),
}

OURS, STRONGEST = "Freshet", "cosine 5 + rules"
SEEDS = {OURS: 5, **{name: entrant.seeds for name, entrant in PEERS.items()}}

# Who is walked again with what is learnt held back, and for how many events at a time: all of it, or the tables alone.
AT_HAND = f"{STRONGEST}, each history at hand"
LATE = (OURS, STRONGEST, AT_HAND)
REFRESHED = (1, 1_000, 5_000, 20_000)
