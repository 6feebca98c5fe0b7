"""Freshet: stream feature views on Flink, ONNX scores on every event, and top-N lists fresh in Redis."""

from pkgutil import extend_path

# `python -m freshet....` puts the checkout in front of the path, where this folder lies without the layers: they are in
# what is installed, further back.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
