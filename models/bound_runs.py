"""Runs a model on a GPU in batches of a few sizes, from memory on the device that is made once for each size.

A GPU's libraries choose how to work for every shape that they meet, and TensorRT builds an engine for it: with any number of
users in a batch, nearly every batch would be the first of its shape. So a batch is filled up to the next of these sizes; who
fills it is scored for nothing.
"""

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Users that a run takes; the last is the most."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class _Place:
    """The inputs of one shape: on the host, where a batch is filled up, and on the device, where the model reads them."""

    host: dict[str, NDArray[Any]]
    device: dict[str, onnxruntime.OrtValue]
    binding: onnxruntime.IOBinding


@dataclass(frozen=True, eq=False)
class BoundRuns:
    """A session with its inputs bound to a device: `cuda`, or `cpu` for a test. Safe to call from several threads."""

    session: onnxruntime.InferenceSession
    device: str
    _places: dict[tuple[tuple[int, ...], ...], _Place] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, inputs: Arrays) -> NDArray[np.float32]:
        """Return the model's first output for inputs whose first axis is the same B users, at most the last of `SIZES`."""
        users = len(next(iter(inputs.values())))
        with self._lock:
            place = self._place(SIZES[bisect_left(SIZES, users)], inputs)
            for name, array in inputs.items():
                place.host[name][:users] = array  # behind them stands what an earlier batch left, which is scored too
                place.device[name].update_inplace(place.host[name])
            self.session.run_with_iobinding(place.binding)
            return np.array(place.binding.copy_outputs_to_cpu()[0][:users])

    def _place(self, size: int, inputs: Arrays) -> _Place:
        shapes = tuple((size, *array.shape[1:]) for array in inputs.values())
        if shapes not in self._places:
            host = {
                name: np.zeros(shape, array.dtype) for shape, (name, array) in zip(shapes, inputs.items(), strict=True)
            }
            device = {
                name: onnxruntime.OrtValue.ortvalue_from_numpy(array, self.device, 0) for name, array in host.items()
            }
            self._places[shapes] = _Place(host, device, self._binding(device))
        return self._places[shapes]

    def _binding(self, device: Mapping[str, onnxruntime.OrtValue]) -> onnxruntime.IOBinding:
        binding = self.session.io_binding()
        for name, value in device.items():
            binding.bind_ortvalue_input(name, value)
        binding.bind_output(self.session.get_outputs()[0].name, self.device)
        return binding
