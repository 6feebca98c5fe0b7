"""Compiling works where it has to: in PyFlink's worker, which has a `print` of its own, and where nothing can be written.

And only when a module is loaded: a list never waits for it.
"""

import subprocess
import sys

import numpy as np
import pytest

from freshet.models.sources.source import scores_of

IN_A_WORKER = """
import builtins

class CustomPrint:
    def __init__(self, _print):
        self._print = _print

    def print(self, *args, **kwargs):
        self._print(*args, **kwargs)

builtins.print = custom = CustomPrint(builtins.print).print
from freshet.models.best import best
import numpy as np
assert best(np.array([0.5, 2.0]), 1).tolist() == [1]
assert builtins.print is custom
"""

WITHOUT_A_PLACE = """
import numba.core.caching
numba.core.caching.CacheImpl._locator_classes = []
import numpy as np
from freshet.models.best import best
assert best(np.array([0.5, 2.0]), 1).tolist() == [1]
"""


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_the_worker_s_own_print_is_put_back() -> None:
    run(IN_A_WORKER)


def test_what_cannot_be_kept_is_compiled_anew() -> None:
    run(WITHOUT_A_PLACE)


def test_arrays_of_other_layouts_need_no_compiler_and_other_types_are_refused() -> None:
    items, scores = np.array([[3, 8], [8, 9]]), np.array([[0.5, 0.25], [2.0, 1.0]], np.float32)
    rows, listed = np.array([0, 1]), np.array([8, 8])
    wanted, before = [0.25, 2.0], list(scores_of.signatures)  # type: ignore[attr-defined]
    frozen = items.copy()
    frozen.flags.writeable = False
    for given in (items, frozen, np.asfortranarray(items), np.repeat(items, 2, axis=1)[:, ::2]):
        assert scores_of(given, scores, rows, listed).tolist() == wanted
    alike = np.broadcast_to(items[0], (2, 2))
    assert scores_of(alike, scores, rows, listed).tolist() == [0.25, 1.0]
    with pytest.raises(TypeError, match="No matching definition"):
        scores_of(items, scores.astype(np.float64), rows, listed)
    assert scores_of.signatures == before  # type: ignore[attr-defined]
