"""Runs the quality benchmark in its own environment, keeps its figures in `results.json` and its tables in docs/quality.md.

.venv/bin/python benchmarks/quality/run.py [--quick]

`make bench-quality` makes the environment first.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from figures import RESULTS, merge, show, this_run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHON = ROOT / ".venv-quality" / "bin" / "python"
DOCUMENT = ROOT / "docs" / "quality.md"


def main() -> None:
    """Run, and keep what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="fewer events, and nothing is kept: to see that it works")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        options = ["--quick"] if quick else []
        if code := subprocess.run(
            [str(PYTHON), str(HERE / "contest.py"), str(found), *options], check=False
        ).returncode:
            sys.exit(code)
        told = json.loads(found.read_text("utf-8"))
    show(told["figures"], Console())
    if not quick:
        merge(RESULTS, told["figures"], this_run(ROOT))
        keep_tables(told["tables"])


def keep_tables(tables: Mapping[str, str]) -> None:
    """Put the tables where the document has those of the last run, by the name of the place."""
    text = DOCUMENT.read_text("utf-8")
    for name, new in tables.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text, count = place.subn(lambda found, new=new: f"{found[1]}{new}\n{found[2]}", text)
        assert count == 1, f"{DOCUMENT.name} has no place for the tables of the {name}"
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
