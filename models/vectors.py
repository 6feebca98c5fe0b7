"""The vectors that the ranker holds of its items, read from the ONNX file as it is served."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models.artefact import Artefact
from freshet.models.manifest import MODEL

TABLE = b"table"
"""Name of the constant in the graph: float32 [V + 1, width]; row 0 is nobody's."""

# Field numbers of ONNX's messages, which never change: ModelProto, GraphProto, TensorProto.
GRAPH, INITIALIZER = 7, 5
DIMS, DATA_TYPE, NAME, RAW_DATA = 1, 2, 8, 9
FLOAT32 = 1


def item_vectors(artefact: Artefact) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the id and the vector, float32 [width], of each item that the model knows.

    Raises:
        FreshetError: the model is damaged, or holds no table of as many items as it knows.
    """
    table = item_table(artefact.manifest.checked(artefact.folder, MODEL))
    if table is None or len(table) != len(artefact.vocabulary) + 1:
        raise FreshetError(f"The model at {artefact.folder} holds no vectors of its items; train it with this version.")
    yield from zip(artefact.vocabulary.items, table[1:], strict=True)


def item_table(model: bytes) -> NDArray[np.float32] | None:
    """Return the graph's table of vectors; None if there is none.

    Serving needs ONNX Runtime, which does not tell a graph's constants, and not `onnx`, which does.
    """
    graph = b"".join(body for number, body in fields(model) if number == GRAPH and isinstance(body, bytes))
    for number, tensor in fields(graph):
        if number == INITIALIZER and isinstance(tensor, bytes) and (NAME, TABLE) in (parts := list(fields(tensor))):
            said = dict(parts)
            shape = [size for number, size in parts if number == DIMS and isinstance(size, int)]
            raw = said.get(RAW_DATA)
            if said.get(DATA_TYPE) == FLOAT32 and len(shape) == 2 and isinstance(raw, bytes):
                return np.frombuffer(raw, np.dtype("<f4")).reshape(shape)
    return None


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the content of each field of a protobuf message.

    >>> list(fields(bytes.fromhex("089601120161")))
    [(1, 150), (2, b'a')]
    """
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        kind = tag & 7
        if kind == 0:
            number, at = varint(message, at)
            yield tag >> 3, number
            continue
        size, at = varint(message, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        yield tag >> 3, message[at : at + size]
        at += size


def varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place behind it."""
    number = shift = 0
    while True:
        number |= (message[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if message[at - 1] < 0x80:
            return number, at


def write_vectors(artefact: Artefact, path: Path) -> tuple[int, int]:
    """Write the file that `ITEM_VECTOR` looks items up in, and return how many there are and how long their vectors.

    One whose name ends in .gz is gzipped.

    Raises:
        FreshetError: the model holds none, or the file cannot be written.
    """
    vectors = dict(item_vectors(artefact))
    lines = b"".join(
        orjson.dumps({"item_id": item, "vector": vector}, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)
        for item, vector in vectors.items()
    )
    scratch = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
        scratch.replace(path)  # a job that starts meanwhile reads the old file or the new one, whole
    except OSError as error:
        raise FreshetError(f"{path} cannot be written ({error.strerror}): give another file with --out.") from None
    return len(vectors), len(next(iter(vectors.values()), ()))
