"""Arrays by name in a compressed file, read back without trust in what the file holds."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_arrays(path: Path, *names: str, what: str) -> list[NDArray[Any]]:
    """Return these arrays of an npz file; `what` is what the file should hold, for the error.

    Raises:
        ValueError: the file cannot be read, is no such file, or lacks one of them.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except (
        AttributeError,
        EOFError,
        IndexError,
        KeyError,
        OSError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(f"{path.name} holds no {what}: {error}") from None
