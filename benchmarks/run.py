"""Runs the benchmarks: starts a stack of its own, prints a table, and writes the figures to `results.json` beside this file.

.venv/bin/python benchmarks/run.py [--only NAME]... [--quick] [--profile]
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    quick: bool
    profile: bool

    @property
    def events(self) -> int:
        """How many events the clean topic is filled with."""
        return 60_000 if self.quick else 400_000

    @property
    def latency_s(self) -> float:
        """How long latencies are measured, after the warm-up."""
        return 20.0 if self.quick else 60.0
