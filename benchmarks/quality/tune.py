"""Tries the peers' knobs on the first half of the stream, events 20,000 to 50,000, and prints what each gives.

.venv-quality/bin/python benchmarks/quality/tune.py [PART OF A NAME]

The best of each stands in `entrants.py`. The second half is not looked at.
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

from entrants import FACTORS, PAIRWISE, Make, cosine_and_rules, library, neighbours, river
from judge import measures
from movielens import load
from stream_peers import ItemCosine, Lists, UserNeighbours

from freshet.models.prequential import prequential

UNTIL = 50_000
SEED = 100  # an order of the ties that the benchmark does not take


def by_hand() -> Iterator[tuple[str, Make]]:
    """Yield the peers by hand, each with a name that tells the knobs."""
    for last in (3, 5, 10, 20):
        yield f"item cosine last={last}", lambda films, last=last: ItemCosine(films.vocabulary, last)
        yield f"cosine + rules last={last}", cosine_and_rules(last)
    for last in (10, 20, 40):
        for nearest in (20, 50, 100):
            yield (
                f"user neighbours last={last} neighbours={nearest}",
                lambda films, last=last, nearest=nearest: UserNeighbours(films.vocabulary, last, nearest, films.crowd),
            )


def item_item() -> Iterator[tuple[str, Make]]:
    """Yield implicit's item-item recommenders."""
    for name in ("CosineRecommender", "TFIDFRecommender", "BM25Recommender"):
        for last in (5, 10, 20):
            for nearest in (100, 400, 1_682):
                yield f"implicit {name} last={last} K={nearest}", neighbours(name, last, K=nearest)


def fitted() -> Iterator[tuple[str, Make]]:
    """Yield the models that are fitted now and then."""
    for last in (5, 10, 20):
        for l2 in (300.0, 1_000.0, 3_000.0):
            yield f"EASE last={last} regularization={l2}", library("Ease", l2, every=2_000, last=last)
        for factors in (8, 16, 32):
            model = FACTORS | {"factors": factors}
            yield f"ALS last={last} factors={factors}", library("Als", model, every=5_000, last=last)
        for passes in (100, 200):
            model = PAIRWISE | {"iterations": passes}
            yield f"BPR last={last} iterations={passes}", library("Bpr", model, every=5_000, last=last)


def online() -> Iterator[tuple[str, Make]]:
    """Yield river's factorisation."""
    for factors in (8, 32):
        for rate in (0.05, 0.1, 0.2):
            for negatives in (1, 3, 10):
                name = f"BiasedMF factors={factors} rate={rate} negatives={negatives}"
                yield name, river(factors=factors, rate=rate, negatives=negatives)


def choices() -> dict[str, Make]:
    """Return what is tried, by a name that tells the knobs."""
    return dict((*by_hand(), *item_item(), *fitted(), *online()))


def tried(name: str) -> str:
    """Return a line of what one choice gives."""
    make = choices()[name]
    films = load().first(UNTIL)
    found = measures(prequential(Lists(make(films), films.vocabulary), films.log, warm_up=20_000, seed=SEED).warm)
    return f"{found['ndcg@10']:.4f}  {found['hr@10']:.4f}  {name}"


def main() -> None:
    """Try what is asked for."""
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    names = [name for name in choices() if part in name]
    print("ndcg@10 hr@10")
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        for line in pool.map(tried, names):
            print(line, flush=True)


if __name__ == "__main__":
    main()
