"""Compiles loops over arrays to machine code, where a list would pay for a dozen calls of numpy that each take microseconds.

A compiled function takes and gives arrays and numbers, keeps nothing, and says in its docstring what numpy would do: the
tests hold it to that. The code is kept on disk beside the module, or in the user's cache folder where that cannot be
written; a process without either compiles anew, which takes seconds.
"""

import builtins
from collections.abc import Callable
from typing import Any, TypeVar, cast

# PyFlink's worker puts a method of its own in the place of `print`, which numba looks up where builtins are.
_print = builtins.print
builtins.print = getattr(getattr(_print, "__self__", None), "_print", _print)
try:
    from numba import njit
finally:
    builtins.print = _print

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function when it is first called; use it as a decorator.

    Other threads of the process go on while it runs, and a division by zero gives infinity, as in numpy.
    """
    try:
        made = njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # there is nowhere to keep the code
        made = njit(function, nogil=True, error_model="numpy")
    return cast("Function", made)
