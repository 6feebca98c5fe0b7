"""The figures of a run: `results.json`, one flat object of numbers by name, and `run`, which says where they come from."""

import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results.json")
GIB = 1 << 30


def merge(path: Path, figures: Mapping[str, float], run: Mapping[str, Any]) -> dict[str, Any]:
    """Put new figures beside those that a file holds of other benchmarks, and say in it where the new ones come from."""
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    known.pop("run", None)
    merged = dict(sorted((known | {name: rounded(value) for name, value in figures.items()}).items())) | {
        "run": dict(run)
    }
    path.write_text(json.dumps(merged, indent=2) + "\n", "utf-8")
    return merged


def rounded(value: float) -> float:
    """Keep as many digits as a noisy machine can mean.

    >>> rounded(12345.678), rounded(12.3456), rounded(0.98765)
    (12346, 12.35, 0.988)
    """
    return round(value) if abs(value) >= 1000 else round(value, 2 if abs(value) >= 1 else 3)


def this_run(root: Path) -> dict[str, Any]:
    """Describe the machine, the code and the date."""
    return {
        "machine": {
            "cpu": processor(),
            "cores": psutil.cpu_count() or 0,
            "memory_gib": round(psutil.virtual_memory().total / GIB, 1),
        },
        "commit": commit(root),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "flink": version("apache-flink"),
        "scoring_provider": scoring_provider(),
    }


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit(root: Path) -> str:
    """Return the commit that was run, with a plus sign where files differ from it."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=root, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def scoring_provider() -> str:
    """Return the ONNX Runtime provider that the scoring job uses on this machine."""
    from freshet.errors import FreshetError
    from freshet.models.scorer import OnnxScorer

    try:
        return OnnxScorer.load().provider
    except FreshetError:
        return "none"


def show(figures: Mapping[str, float], console: Console) -> None:
    """Print figures as a table."""
    table = Table("figure", "value", title="Benchmarks")
    table.columns[1].justify = "right"
    for name, value in sorted(figures.items()):
        table.add_row(name, f"{rounded(value):,}")
    console.print(table)
