"""Compiling works where it has to: in PyFlink's worker, which has a `print` of its own, and where nothing can be written."""

import subprocess
import sys

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
