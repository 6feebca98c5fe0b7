"""The graph in fewer bits: FP16 and INT8 variants, and what each costs in ranking terms. Needs onnx.

- `fp16`: weights and arithmetic in half precision; inputs, output and the score of padding stay as they are.
- `int8`: the item table and the weights of the inner layers in 8 bits, activations in 8 bits with a scale found on each
  call (ONNX Runtime's dynamic quantisation). Whole stay the items' biases, which would tie most items if rounded, and the
  layers that take features beside vectors: one scale for both cost 3.1 % of NDCG@20 and a sixth of the list.
"""

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from freshet.models.evaluation import evaluate, overlap
from freshet.models.examples import Examples
from freshet.models.light import PADDING_SCORE
from freshet.models.manifest import FULL_PRECISION, PRECISIONS, Variant, graph_file, input_tensors
from freshet.models.scorer import CPU, open_session

MOST_NDCG_LOSS = 0.01
"""Most that a variant may lose of the full graph's NDCG@20, as a part of it; one that loses more is not kept."""

LEAST_OVERLAP = 0.95
"""Least part of the full graph's first 20 that a variant must list too."""

BIAS = "bias"
PADDING = "padding"
QUANTISED = ("MatMul", "Gemm", "Gather")

TIMED_USERS, TIMED_RUNS = 32, 30


def write_variants(folder: Path) -> None:
    """Write the graph of each lower precision beside the full one."""
    full = folder / graph_file(FULL_PRECISION)
    onnx.save_model(half_precision(onnx.load(str(full))), str(folder / graph_file("fp16")))
    with _quiet():
        quantise(full, folder / graph_file("int8"))


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model in FP16, with the inputs and output of the full one.

    The last node, which gives padding its score, is taken off before and put back after: half precision ends at 65,504.
    """
    output = model.graph.output[0]
    (last,) = [node for node in model.graph.node if output.name in node.output]
    known, scores, _ = last.input
    name = output.name
    model.graph.node.remove(last)
    output.name = scores
    without_unused(model.graph, kept=known)
    converted: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True)
    graph = converted.graph
    graph.initializer.append(onnx.helper.make_tensor(PADDING, onnx.TensorProto.FLOAT, [], [PADDING_SCORE]))
    graph.node.append(onnx.helper.make_node("Where", [known, scores, PADDING], [name]))
    graph.output[0].name = name
    return converted


def without_unused(graph: onnx.GraphProto, kept: str) -> None:
    """Remove the nodes and constants whose values nothing takes, but for the value of this name."""
    while True:
        used = {kept} | {name for node in graph.node for name in node.input} | {one.name for one in graph.output}
        unused = [node for node in graph.node if not used & set(node.output)]
        for node in unused:
            graph.node.remove(node)
        if not unused:
            break
    for constant in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(constant)


def quantise(full: Path, path: Path) -> None:
    """Write the INT8 graph of a full one."""
    nodes = onnx.load(str(full), load_external_data=False).graph.node
    mixed = {BIAS, *(name for node in nodes if node.op_type == "Concat" for name in node.output)}
    whole = [node.name for node in nodes if mixed & set(node.input)]
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / path.name
        quantize_dynamic(
            str(full),
            str(written),
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=whole,
        )
        path.write_bytes(written.read_bytes())


def measured_variants(folder: Path, examples: Sequence[Examples]) -> tuple[Variant, ...]:
    """Return what each graph of a folder is worth on the same examples, the full one first.

    Args:
        folder: holds the graphs of all precisions.
        examples: the candidates that are served, at the test visits.
    """
    graphs = {precision: Graph(folder / graph_file(precision)) for precision in PRECISIONS}
    scores = {precision: [graph(one) for one in examples] for precision, graph in graphs.items()}
    full = scores[FULL_PRECISION]
    best = _ndcg(examples, full)
    found = []
    for precision, graph in graphs.items():
        mine = scores[precision]
        ndcg = _ndcg(examples, mine)
        found.append(
            Variant(
                precision=precision,
                ndcg_at_20=ndcg,
                ndcg_loss=1.0 - ndcg / best if best else 0.0,
                overlap_at_20=overlap(examples, full, mine),
                max_abs_diff=max(float(np.abs(a - b).max()) for a, b in zip(full, mine, strict=True)),
                cpu_us_a_user=graph.microseconds_a_user(examples),
                bytes=graph.path.stat().st_size,
            )
        )
    return tuple(found)


def is_kept(variant: Variant) -> bool:
    """Tell whether a variant ranks near enough to the full graph; NaN does not."""
    return variant.ndcg_loss <= MOST_NDCG_LOSS and variant.overlap_at_20 >= LEAST_OVERLAP


class Graph:
    """An ONNX file that scores examples on one CPU thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._session = open_session(path.read_bytes(), (CPU,))
        self._names = [tensor.name for tensor in input_tensors()]

    def __call__(self, examples: Examples) -> NDArray[np.float32]:
        """Return the scores, float32 [B, C]."""
        inputs = (examples.recent_items, examples.candidates, examples.user_features, examples.candidate_features)
        scores: NDArray[np.float32] = self._session.run(None, dict(zip(self._names, inputs, strict=True)))[0]
        return scores

    def microseconds_a_user(self, examples: Sequence[Examples]) -> float:
        """Return the processor time for one user among 32, the least of some runs."""
        batch = examples[0].take(np.arange(min(TIMED_USERS, len(examples[0]))))
        return min(_seconds(self, batch) for _ in range(TIMED_RUNS)) / len(batch) * 1e6


def _seconds(graph: Graph, batch: Examples) -> float:
    begin = time.process_time()
    graph(batch)
    return time.process_time() - begin


def _ndcg(examples: Sequence[Examples], scores: Sequence[NDArray[np.float32]]) -> float:
    coming = iter(scores)
    return evaluate(examples, {"graph": lambda one: next(coming)})["graph"].ndcg_at_20


@contextmanager
def _quiet() -> Iterator[None]:
    # The quantiser asks for a step before it that this graph, which torch has folded, does not need.
    loud = logging.getLogger()
    level = loud.level
    loud.setLevel(logging.ERROR)
    try:
        yield
    finally:
        loud.setLevel(level)
