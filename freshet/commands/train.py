"""`freshet train`: train the ranker on real purchases, measure it, and write what the scoring job loads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from freshet.console import JsonFlag, err, out, print_json, say
from freshet.errors import FreshetError
from freshet.models.artefact import DEFAULT_NAME, newest_version
from freshet.models.dataset import Split, read_purchases
from freshet.models.preparation import Recipe, Report
from freshet.settings import load_settings

if TYPE_CHECKING:
    from freshet.models.manifest import Evaluation, Manifest

SPLIT, RECIPE = Split(), Recipe()
DAY = ["%Y-%m-%d"]
QUICK_USERS = 120
QUICK = {"epochs": 1, "least_baskets": 15, "validation_visits": 200, "all_items_visits": 50}

Out = Annotated[Path | None, typer.Option("--out", help="Folder of models; `models` of the local stack if not given.")]
Version = Annotated[int | None, typer.Option(min=1, help="Version number; the next free one if not given.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training examples; the best in validation is kept.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed, data and machine make the same model.")]
Since = Annotated[
    datetime | None, typer.Option(formats=DAY, help=f"First day (UTC) to learn from; {SPLIT.since} if not given.")
]
Validation = Annotated[
    datetime | None, typer.Option(formats=DAY, help=f"First day of validation; {SPLIT.validation} if not given.")
]
Test = Annotated[datetime | None, typer.Option(formats=DAY, help=f"First day of the test; {SPLIT.test} if not given.")]
Until = Annotated[datetime | None, typer.Option(formats=DAY, help=f"First day after it; {SPLIT.until} if not given.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the training.")]
Quick = Annotated[bool, typer.Option("--quick", help="A tiny model of a few households, to see that all works.")]


def train(
    out_folder: Out = None,
    version: Version = None,
    epochs: Epochs = RECIPE.epochs,
    seed: Seed = RECIPE.seed,
    since: Since = None,
    validation: Validation = None,
    test: Test = None,
    until: Until = None,
    threads: Threads = RECIPE.threads,
    quick: Quick = False,
    as_json: JsonFlag = False,
) -> None:
    """Train the ranker on a year of real purchases and compare it with simple rankings on the last month."""
    need_torch()
    split = chosen_split(since=since, validation=validation, test=test, until=until)
    recipe = replace(RECIPE, epochs=epochs, seed=seed, threads=threads)
    folder = version_folder(out_folder or load_settings().local.home / "models", version)
    manifest = trained(folder, split, replace(recipe, **QUICK) if quick else recipe, quick=quick, quiet=as_json)
    if as_json:
        print_json({"folder": str(folder), **manifest.model_dump(mode="json")})
        return
    tell(manifest, folder)


def need_torch() -> None:
    """Refuse to begin without what training needs.

    Raises:
        FreshetError: torch or the ONNX exporter is not installed.
    """
    missing = [name for name in ("torch", "onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise FreshetError(f'Training needs {", ".join(missing)}: run pip install "freshet[train]".')


def chosen_split(**days: datetime | None) -> Split:
    """Return the split with the days that were given.

    Raises:
        FreshetError: they are not in order.
    """
    split = replace(SPLIT, **{name: day.date() for name, day in days.items() if day})
    split.check()
    return split


def version_folder(models: Path, version: int | None) -> Path:
    """Return the folder of a version, or of the one after the newest.

    Raises:
        FreshetError: the version is there already.
    """
    newest = newest_version(models / DEFAULT_NAME)
    number = version or (int(newest.name) + 1 if newest else 1)
    folder = models / DEFAULT_NAME / str(number)
    if folder.exists():
        raise FreshetError(f"{folder} is there already: remove it, or give another --version.")
    return folder


def trained(folder: Path, split: Split, recipe: Recipe, *, quick: bool, quiet: bool) -> "Manifest":
    """Train a model, write it to a folder, and return its manifest."""
    from freshet.models.export import write_artefact
    from freshet.models.training import train as train_ranker

    with progress(quiet=quiet) as report:
        report("purchases", 0, 1)
        purchases = read_purchases(QUICK_USERS if quick else None)
        report("purchases", 1, 1)
        model = train_ranker(purchases, split, recipe, DEFAULT_NAME, report)
        report("export", 0, 1)
        manifest = write_artefact(model, folder, DEFAULT_NAME, folder.name, purchases, split, recipe)
        report("export", 1, 1)
    return manifest


@contextmanager
def progress(*, quiet: bool) -> Iterator[Report]:
    """Show one bar for each stage while the block runs; yields the function that moves them."""
    columns = (TextColumn("{task.description:28}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=quiet) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, of: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=of)
            bars.update(tasks[stage], completed=done)

        yield report


def tell(manifest: "Manifest", folder: Path) -> None:
    """Print the figures and where the model is."""
    out.print(figures(manifest.metrics, manifest.baselines))
    size = sum(file.bytes for file in manifest.files.values()) / 1e6
    say(f"{manifest.items:,} items; the ONNX graph differs from torch by {manifest.parity_max_abs_diff:.1e} at most.")
    say(f"{manifest.name} {manifest.version} is in {folder} ({size:.1f} MB).")
    say(f"Score with it: FRESHET_MODEL__PATH={folder.absolute()}")


def figures(metrics: Sequence["Evaluation"], baselines: Sequence["Evaluation"]) -> Table:
    """Return a table of the test's figures, the model's above the baselines' in each setting."""
    table = Table("ranking", "candidates", "features as of", "visits", "HR@20", "NDCG@20", "MRR", box=None)
    settings = [(one.candidates, one.moment) for one in metrics]
    rows = sorted((*metrics, *baselines), key=lambda one: settings.index((one.candidates, one.moment)))
    for one in rows:
        numbers = (f"{number:.4f}" for number in (one.hr_at_20, one.ndcg_at_20, one.mrr))
        table.add_row(one.ranking, one.candidates, one.moment, f"{one.visits:,}", *numbers)
    return table
