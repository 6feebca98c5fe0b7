"""The benchmark on real baskets, `journey.py`, as part of the run: its figures, and its tables as Markdown."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from report import row

HERE = Path(__file__).parent
OURS = "Freshet"
NAMES = {"completion": "journey_basket", "next basket": "journey_next_basket"}
COLUMNS = {"NDCG@10": "ndcg_at_10", "recall@10": "recall_at_10", "recall@20": "recall_at_20", "HR@10": "hit_at_10"}
FEW = ("--users", "200", "--every", "5")


def run(quick: bool) -> tuple[dict[str, float], str]:
    """Return the figures by name, and the tables."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.json"
        command = [sys.executable, str(HERE / "journey.py"), "--json", str(told), *(FEW if quick else ())]
        subprocess.run(command, check=True)
        tasks = json.loads(told.read_text("utf-8"))
    return figures(tasks), "\n\n".join(table(task, tasks[task]) for task in NAMES)


def figures(tasks: Mapping[str, Any]) -> dict[str, float]:
    """Return what goes into `results.json`."""
    found: dict[str, float] = {}
    for task, name in NAMES.items():
        found[f"{name}_ndcg10"] = tasks[task]["rankings"][OURS]["ndcg_at_10"]
        found[f"{name}_lift_over_best_peer"] = tasks[task]["lift"]["share"]
        found[f"{name}_lift_over_best_peer_low"] = tasks[task]["lift"]["low"]
    return found


def table(task: str, told: Mapping[str, Any]) -> str:
    """Return one line for each ranking, the best first, and how far ours is ahead of the best peer."""
    lines = [row([task, "as set on November", *COLUMNS]), row(["---", "---", *(["---:"] * len(COLUMNS))])]
    for name, means in sorted(told["rankings"].items(), key=lambda one: -one[1]["ndcg_at_10"]):
        numbers = [format(means[column], ".4f") for column in COLUMNS.values()]
        lines.append(row([f"**{name}**" if name == OURS else name, told["settings"].get(name, ""), *numbers]))
    lift = told["lift"]
    ahead = f"NDCG@10 above {told['best_peer']}: {lift['share']:+.1%} ({lift['low']:+.1%} to {lift['high']:+.1%})"
    return "\n".join(lines) + f"\n\n{ahead}, over {told['visits']:,} visits."
