"""`freshet train`: train the ranker on real purchases or on the archive, measure it, and write what scoring loads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd
import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from freshet.console import JsonFlag, err, out, print_json, say
from freshet.errors import FreshetError
from freshet.models.artefact import DEFAULT_NAME, newest_version
from freshet.models.dataset import NAME, Split, read_purchases
from freshet.models.preparation import Recipe, Report
from freshet.settings import load_settings

if TYPE_CHECKING:
    from freshet.models.manifest import Calibration, Evaluation, Manifest, Variant

SPLIT, RECIPE = Split(), Recipe()
DAY = ["%Y-%m-%d"]
QUICK_USERS = 120
QUICK = {"epochs": 1, "least_baskets": 15, "validation_visits": 200, "all_items_visits": 50}

Out = Annotated[Path | None, typer.Option("--out", help="Folder of models; `models` of the local stack if not given.")]
Version = Annotated[int | None, typer.Option(min=1, help="Version number; the next free one if not given.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training examples; the best in validation is kept.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed, data and machine make the same model.")]
FROM_ARCHIVE = "with --archive, chosen by its days"
Since = Annotated[
    datetime | None, typer.Option(formats=DAY, help=f"First day (UTC) to learn from; {SPLIT.since}, or {FROM_ARCHIVE}.")
]
Validation = Annotated[
    datetime | None, typer.Option(formats=DAY, help=f"First day of validation; {SPLIT.validation}, or {FROM_ARCHIVE}.")
]
Test = Annotated[
    datetime | None, typer.Option(formats=DAY, help=f"First day of the test; {SPLIT.test}, or {FROM_ARCHIVE}.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=DAY, help=f"First day after it; {SPLIT.until}, or {FROM_ARCHIVE}.")
]
Archive = Annotated[
    bool, typer.Option("--archive", help="Learn from the archive, FRESHET_ARCHIVE__PATH, and not from the purchases.")
]
LeastBaskets = Annotated[
    int, typer.Option(min=1, help="An item that was bought or clicked less often in training is not learnt.")
]
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
    archive: Archive = False,
    least_baskets: LeastBaskets = RECIPE.least_baskets,
    quick: Quick = False,
    as_json: JsonFlag = False,
) -> None:
    """Train the ranker and its light model, and compare them with simple rankings on the last days.

    They learn from a year of real purchases, or from the archive.
    """
    need_torch()
    days = Days(since, validation, test, until)
    if not archive:
        days.within(SPLIT)
    recipe = replace(RECIPE, epochs=epochs, seed=seed, threads=threads, least_baskets=least_baskets)
    recipe = replace(recipe, **QUICK) if quick else recipe
    folder = version_folder(out_folder or load_settings().local.home / "models", version)
    with progress(quiet=as_json) as report:
        report("log", 0, 1)
        log, name, split = archive_log() if archive else purchases_log(quick=quick)
        report("log", 1, 1)
        manifest = trained(log, name, days.within(split), folder, recipe, report)
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


class Days(NamedTuple):
    """The days of the split that were given."""

    since: datetime | None
    validation: datetime | None
    test: datetime | None
    until: datetime | None

    def within(self, split: Split) -> Split:
        """Return a split with these days in the place of its own.

        Raises:
            FreshetError: they are not in order.
        """
        chosen = replace(split, **{name: day.date() for name, day in self._asdict().items() if day})
        chosen.check()
        return chosen


def purchases_log(*, quick: bool) -> tuple[pd.DataFrame, str, Split]:
    """Return the purchases with their name and split."""
    return read_purchases(QUICK_USERS if quick else None), NAME, SPLIT


def archive_log() -> tuple[pd.DataFrame, str, Split]:
    """Return the archive's events with their name and split.

    Raises:
        FreshetError: the archive holds no event, or those of too few days.
    """
    from freshet.archive.training_log import read_log

    log = read_log(load_settings().archive.path)
    return log, "archive of interactions.clean", Split.of(log)


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


def trained(log: pd.DataFrame, name: str, split: Split, folder: Path, recipe: Recipe, report: Report) -> "Manifest":
    """Train a model on a log of this name, write it to a folder, and return its manifest."""
    from freshet.models.export import described_data, write_artefact
    from freshet.models.training import train as train_ranker

    model = train_ranker(log, split, recipe, DEFAULT_NAME, report)
    report("export", 0, 1)
    manifest = write_artefact(model, folder, DEFAULT_NAME, folder.name, described_data(log, name, split), recipe)
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
    out.print(figures(manifest.metrics, (*manifest.light, *manifest.baselines)))
    out.print(precisions(manifest.variants, manifest.precisions))
    out.print(probabilities(manifest.calibrations))
    size = sum(file.bytes for file in manifest.files.values()) / 1e6
    say(f"{manifest.items:,} items; the ONNX graph differs from torch by {manifest.parity_max_abs_diff:.1e} at most.")
    say(f"{manifest.name} {manifest.version} is in {folder} ({size:.1f} MB).")
    say(f"Score with it: FRESHET_MODEL__PATH={folder.absolute()}")


def figures(metrics: Sequence["Evaluation"], baselines: Sequence["Evaluation"]) -> Table:
    """Return a table of the test's figures, the model's above the baselines' in each setting."""
    columns = ("ranking", "candidates", "features as of", "visits", "HR@20", "NDCG@20", "MRR", "overlap@20")
    table = Table(*columns, box=None)
    settings = [(one.candidates, one.moment) for one in metrics]
    rows = sorted((*metrics, *baselines), key=lambda one: settings.index((one.candidates, one.moment)))
    for one in rows:
        numbers = (f"{number:.4f}" for number in (one.hr_at_20, one.ndcg_at_20, one.mrr, one.overlap_at_20))
        table.add_row(one.ranking, one.candidates, one.moment, f"{one.visits:,}", *numbers)
    return table


def precisions(variants: Sequence["Variant"], kept: Sequence[str]) -> Table:
    """Return a table of the graph in each precision, beside the full one."""
    columns = ("precision", "NDCG@20", "lost", "overlap@20", "largest difference", "us a user, CPU", "MB", "")
    table = Table(*columns, box=None)
    for one in variants:
        numbers = (
            f"{one.ndcg_at_20:.4f}",
            f"{one.ndcg_loss:.2%}",
            f"{one.overlap_at_20:.4f}",
            f"{one.max_abs_diff:.1e}",
        )
        size = (f"{one.cpu_us_a_user:.0f}", f"{one.bytes / 1e6:.2f}")
        table.add_row(one.precision, *numbers, *size, "" if one.precision in kept else "not kept")
    return table


def probabilities(calibrations: Sequence["Calibration"]) -> Table:
    """Return a table of how true the probabilities of each outcome are over the test visits."""
    table = Table(
        "probability of a", "candidates", "rate", "calibration error", "log loss", "of the rate alone", box=None
    )
    for one in calibrations:
        losses = (f"{one.log_loss:.5f}", f"{one.log_loss_of_rate:.5f}")
        table.add_row(one.outcome, f"{one.candidates:,}", f"{one.rate:.3%}", f"{one.calibration_error:.5f}", *losses)
    return table
