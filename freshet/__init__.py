"""Freshet: stream feature views on Flink, ONNX scores on every event, and top-N lists fresh in Redis."""

__version__ = "0.1.0"
