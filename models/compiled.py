"""Compiles loops over arrays to machine code, where a list would pay for a dozen calls of numpy that each take microseconds.

A compiled function takes and gives arrays and numbers, keeps nothing, and says in its docstring what numpy would do: the
tests hold it to that. It is compiled for the types that it declares and for no others, when its module is loaded, so that
no list ever waits for a compiler. The code is kept on disk beside the module, or in the user's cache folder where that
cannot be written; a process without either compiles anew, which takes seconds.
"""

import builtins
from collections.abc import Callable
from typing import Any, TypeVar, cast

# PyFlink's worker puts a method of its own in the place of `print`, which numba looks up where builtins are.
_print = builtins.print
builtins.print = getattr(getattr(_print, "__self__", None), "_print", _print)
try:
    from numba import njit, types
finally:
    builtins.print = _print

Function = TypeVar("Function", bound=Callable[..., Any])

INT, REAL, BOOL = types.int64, types.float64, types.boolean
INT32, REAL32, BYTE = types.int32, types.float32, types.uint8


def array(of: Any, dimensions: int = 1) -> Any:
    """Return the type of a contiguous array that is read; one that may be written will do as well."""
    return types.Array(of, dimensions, "C", readonly=True)


def written(of: Any, dimensions: int = 1) -> Any:
    """Return the type of a contiguous array that is written to."""
    return types.Array(of, dimensions, "C")


def strided(of: Any, dimensions: int = 1) -> Any:
    """Return the type of any array that is read, broadcast ones and columns of another included."""
    return types.Array(of, dimensions, "A", readonly=True)


def compiled(*signatures: tuple[Any, ...]) -> Callable[[Function], Function]:
    """Compile a function for the types of its arguments; several signatures make several variants. Use it as a decorator.

    Other threads of the process go on while it runs, and a division by zero gives infinity, as in numpy. An argument of
    another type, such as float64 where float32 is declared, is a TypeError.
    """

    def made(function: Function) -> Function:
        wanted = list(signatures)
        try:
            return cast("Function", njit(wanted, cache=True, nogil=True, error_model="numpy")(function))
        except RuntimeError:  # there is nowhere to keep the code
            return cast("Function", njit(wanted, nogil=True, error_model="numpy")(function))

    return made
