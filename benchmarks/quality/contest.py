"""Walks everybody over MovieLens-100K, each in a process of its own, and says who is ahead and by how much.

Runs in .venv-quality; `run.py` starts it and keeps its figures.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

# Before numpy: each process walks alone, and two of them share the machine.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
import plots
import retail
from beside import beside
from entrants import LATE, OURS, REFRESHED, SEEDS, Task
from judge import hold_to_ranx, measures
from movielens import MovieLens, load
from report import low_of, markdown

from freshet.models.prequential import SHOWN, Lift, Outcome, gains, lift, metrics, prequential

WARM_UP, QUICK_EVENTS = 20_000, 30_000
PROCESSES = min(os.cpu_count() or 1, 8)


@dataclass(frozen=True, eq=False)
class Result:
    """What a walk has found, and how long it took, seconds."""

    task: Task
    outcome: Outcome
    seconds: float

    def figures(self) -> dict[str, float]:
        """Return all measures."""
        films = stream(self.task.quick)
        lists = np.array([one for one in self.outcome.shown if len(one) == SHOWN])
        aside = asdict(beside(lists, films.counts, films.genres))
        cold = {"cold hr@10": metrics(self.outcome.cold, 10).hr}
        return measures(self.outcome.warm) | cold | aside | {"seconds": self.seconds}


@cache
def stream(quick: bool) -> MovieLens:
    """Return the events."""
    return load().first(QUICK_EVENTS) if quick else load()


def done(task: Task) -> Result:
    """Walk."""
    films = stream(task.quick)
    begin = time.perf_counter()
    outcome = prequential(task.model(films), films.log, warm_up=WARM_UP, seed=task.seed)
    return Result(task, outcome, time.perf_counter() - begin)


def tasks(quick: bool) -> list[Task]:
    """Return all walks: the orders of the ties of each entrant, and the delays. Ours take longest and go first."""
    walks = [Task(name, seed, quick=quick) for name in SEEDS for seed in range(1 if quick else SEEDS[name])]
    late = [Task(name, 0, every, quick) for name in LATE for every in REFRESHED[1:]]
    return sorted(walks + late, key=lambda task: task.name != OURS)


def walked(quick: bool) -> dict[Task, Result]:
    """Walk all, and say of each how it went."""
    found: dict[Task, Result] = {}
    with ProcessPoolExecutor(PROCESSES) as pool:
        for result in pool.map(done, tasks(quick)):
            task, figures = result.task, measures(result.outcome.warm)
            late = f", every {task.every:,}" if task.every > 1 else ""
            print(f"{task.name}{late}, order {task.seed}: {figures['ndcg@10']:.4f}, {result.seconds:.0f} s", flush=True)
            found[task] = result
    return found


def means(results: Mapping[Task, Result]) -> dict[str, dict[str, float]]:
    """Return the measures of each entrant, means over the orders of the ties."""
    by_name: dict[str, list[dict[str, float]]] = {}
    for task, result in results.items():
        if task.every == 1:
            by_name.setdefault(task.name, []).append(result.figures())
    return {
        name: {key: float(np.mean([one[key] for one in all_])) for key in all_[0]} for name, all_ in by_name.items()
    }


def best_peer(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Return the peer with the largest NDCG@10."""
    return max((name for name in figures if name != OURS), key=lambda name: figures[name]["ndcg@10"])


def lifts(results: Mapping[Task, Result], peer: str) -> list[Lift]:
    """Return for each order of the ties by how much NDCG@10 is above that of a peer, and its interval."""
    found = []
    for task, result in results.items():
        if task.name == OURS and task.every == 1 and (held := results.get(replace(task, name=peer))):
            ours, theirs = result.outcome, held.outcome
            users = ours.users[~ours.is_cold]
            found.append(lift(gains(ours.warm), gains(theirs.warm), users, seed=task.seed))
    return found


def agreement(results: Mapping[Task, Result], peer: str) -> float:
    """Return by how much the measures differ from those of ranx, at most: over all of ours, and the first of a peer."""
    held = [
        result.outcome.warm
        for task, result in results.items()
        if task.every == 1 and (task.name == OURS or (task.name == peer and task.seed == 0))
    ]
    with ProcessPoolExecutor(PROCESSES) as pool:
        return max(pool.map(hold_to_ranx, held))


def contest(quick: bool) -> tuple[dict[str, float], str]:
    """Walk all; draw; return the figures by name and the tables as Markdown."""
    results = walked(quick)
    figures = means(results)
    peer = best_peer(figures)
    above = lifts(results, peer)
    if not quick:
        plots.draw({task: result.outcome for task, result in results.items()}, figures, peer)
    found = {
        "ml100k_ndcg10": figures[OURS]["ndcg@10"],
        "ml100k_hr10": figures[OURS]["hr@10"],
        "ml100k_cold_hr10": figures[OURS]["cold hr@10"],
        "ml100k_best_peer_ndcg10": figures[peer]["ndcg@10"],
        "ml100k_lift_over_best_peer": float(np.mean([one.ratio for one in above])),
        "ml100k_lift_over_best_peer_low": min(low_of(one) for one in above),
    }
    return found, markdown(figures, peer, above, agreement(results, peer))


def main() -> None:
    """Run, and write what was found to a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("found", type=Path, help="where the figures and the tables are written, as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer events: to see that it works")
    options = parser.parse_args()
    figures, text = contest(options.quick)
    print(text, flush=True)
    baskets, of_baskets = retail.run(options.quick)
    told = {"figures": figures | baskets, "tables": {"stream": text, "baskets": of_baskets}}
    options.found.write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main()
