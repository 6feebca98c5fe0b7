"""A made-up shop, and copies of the artefact that ships to spoil."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from freshet.models.artefact import default_folder
from freshet.models.manifest import MANIFEST

# Generated examples are judged by what they find, not by how long a busy machine takes for one.
settings.register_profile("freshet", deadline=None)
settings.load_profile("freshet")

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def artefact_folder(tmp_path: Path) -> Path:
    """Return a copy of the artefact that ships."""
    return Path(shutil.copytree(default_folder(), tmp_path / "home-ranker" / "1"))


@pytest.fixture
def edit_manifest(artefact_folder: Path) -> Callable[[Edit], None]:
    """Return what changes the manifest of that copy."""

    def edit(change: Edit) -> None:
        path = artefact_folder / MANIFEST
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    return edit


@pytest.fixture
def purchases() -> Callable[..., pd.DataFrame]:
    """Return what makes a frame like `read_purchases` from (user, minute, item) and the items' categories."""

    def make(lines: list[tuple[str, int, str]], categories: dict[str, str | None] | None = None) -> pd.DataFrame:
        frame = pd.DataFrame(lines, columns=["user", "at", "item"])
        frame["at"] *= 60_000
        frame["category"] = frame["item"].map(categories or {}).replace({np.nan: None})  # type: ignore[dict-item]
        if categories is None:
            frame["category"] = "bread"
        return frame.assign(department="GROCERY", kind="any", value=1.5).sort_values(
            "at", kind="stable", ignore_index=True
        )

    return make
