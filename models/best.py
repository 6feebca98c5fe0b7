"""The best of many scores: what every source and every list asks for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from freshet.models.compiled import INT, REAL, REAL32, array, compiled, written
from freshet.models.user_state import Ints


def best(scores: NDArray[Any], k: int) -> Ints:
    """Return the positions of the k largest scores above 0, largest first, equal ones in order: int64 [n].

    >>> best(np.array([0.0, 2.0, 1.0, 2.0]), 2)
    array([1, 3])
    """
    return named_best(scores, np.arange(len(scores)), k)[0]


def named_best(scores: NDArray[Any], names: Ints, k: int) -> tuple[Ints, NDArray[Any]]:
    """Return the names of the k largest scores above 0, int64 [n], and these, best first; of equals the lower name.

    >>> named_best(np.array([2.0, 1.0, 2.0]), np.array([9, 8, 7]), 2)
    (array([7, 9]), array([2., 2.]))
    """
    k = min(k, len(scores))
    values, those = np.empty(k, scores.dtype), np.empty(k, np.int64)
    n = sort_best(scores, names, values, those)
    return those[:n], values[:n]


@compiled(*((written(kind), written(INT), INT, kind, INT) for kind in (REAL, REAL32, INT)))
def _sink(values: NDArray[Any], names: Ints, n: int, score: float, name: int) -> None:
    """Put one in the place of the root of a heap of n."""
    place, below = 0, 1
    while below < n:
        other = below + 1
        if other < n and (
            values[other] < values[below] or (values[other] == values[below] and names[other] > names[below])
        ):
            below = other
        if values[below] > score or (values[below] == score and names[below] < name):
            break
        values[place], names[place] = values[below], names[below]
        place, below = below, 2 * below + 1
    values[place], names[place] = score, name


@compiled(*((array(kind), array(INT), written(kind), written(INT)) for kind in (REAL, REAL32, INT)))
def sort_best(scores: NDArray[Any], names: Ints, values: NDArray[Any], best_names: Ints) -> int:
    """Put the largest scores above 0 into `values`, and their names beside them, best first; of equals the lower name.

    Returns how many there are, at most as many as `values` has room for. These are a heap at first, whose root is the
    worst: most scores are compared with it alone. It is one function because a call that takes arrays costs more than a
    step of a heap.
    """
    room, n = len(values), 0
    for at in range(len(scores)):
        score, name = scores[at], names[at]
        if not score > 0 or room == 0:
            continue
        if n < room:  # let it rise from the end
            place = n
            n += 1
            while place > 0:
                above = (place - 1) >> 1
                if values[above] < score or (values[above] == score and best_names[above] > name):
                    break
                values[place], best_names[place] = values[above], best_names[above]
                place = above
            values[place], best_names[place] = score, name
        elif score > values[0] or (score == values[0] and name < best_names[0]):
            _sink(values, best_names, n, score, name)
    for last in range(n - 1, 0, -1):  # the worst goes to the end, time and again
        score, name = values[last], best_names[last]
        values[last], best_names[last] = values[0], best_names[0]
        _sink(values, best_names, last, score, name)
    return n
