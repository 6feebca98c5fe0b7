"""The measures of a walk, held to those of ranx."""

import warnings

from movielens import Ints
from ranx import Qrels, Run, evaluate

from freshet.models.prequential import DEPTH, metrics

warnings.filterwarnings("ignore", message="unsafe cast from uint64 to int64")
CUT_OFFS = (10, 20)
AGREES = 1e-9


def measures(ranks: Ints) -> dict[str, float]:
    """Return HR, NDCG and MRR at 10 and 20.

    >>> import numpy as np
    >>> measures(np.array([1, 3, 15, 0]))["hr@10"], measures(np.array([1, 3]))["ndcg@10"]
    (0.5, 0.75)
    """
    found: dict[str, float] = {}
    for at in CUT_OFFS:
        means = metrics(ranks, at)
        found |= {f"hr@{at}": means.hr, f"ndcg@{at}": means.ndcg, f"mrr@{at}": means.mrr}
    return found


def hold_to_ranx(ranks: Ints) -> float:
    """Return by how much the measures of a walk differ from what ranx makes of the same lists, at most.

    Raises:
        AssertionError: by more than rounding does.
    """
    wanted = {str(nth): {"wanted": 1} for nth in range(len(ranks))}
    shown = {str(nth): listed(int(rank)) for nth, rank in enumerate(ranks)}
    ours = measures(ranks)
    theirs = evaluate(Qrels(wanted), Run(shown), [name.replace("hr", "hit_rate") for name in ours])
    apart = max(abs(ours[name] - theirs[name.replace("hr", "hit_rate")]) for name in ours)
    assert apart < AGREES, f"ranx differs by {apart}"
    return apart


def listed(rank: int) -> dict[str, float]:
    """Return a list as ranx takes it, items with falling scores, that has the wanted one at a rank, if it has it."""
    return {"wanted" if place == rank else f"other-{place}": 1.0 / place for place in range(1, DEPTH + 1)}
