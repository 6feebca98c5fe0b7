"""`freshet demo`: the whole product in a few minutes."""

from pathlib import Path
from typing import Annotated

import typer

from freshet.console import JsonFlag, print_json
from freshet.settings import load_settings

Repo = Annotated[Path, typer.Option("--repo", help="Folder that holds definitions.py.")]


def demo(repo: Repo = Path("feature_repo"), as_json: JsonFlag = False) -> None:
    """Start the stack, run the jobs on real purchases, and watch one event change one list. Safe to run twice."""
    from freshet.demo import run_demo

    figures = run_demo(load_settings(), repo)
    if as_json:
        print_json(figures)
