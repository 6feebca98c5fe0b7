"""`freshet features`: register what is declared, show what Flink makes of it, read what it has computed."""

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import redis
import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from freshet.console import JsonFlag, err, print_json, say
from freshet.errors import FreshetError
from freshet.settings import Settings, load_settings
from freshet.udfs.views import View

if TYPE_CHECKING:
    import pandas as pd

    from freshet.consistency import Findings

app = typer.Typer(help="Features: declared in Feast, computed by Flink.", no_args_is_help=True)

Repo = Annotated[Path, typer.Option("--repo", help="Folder that holds definitions.py.")]
REPO = Path("feature_repo")
NO_STORE = "The online store does not answer; start one with `freshet up` or set FRESHET_REDIS__URL."
NAMED = 8  # as many new features are named, more are counted
Replace = Annotated[
    bool,
    typer.Option("--replace", help="Let changed features begin anew; without it a change of a feature is an error."),
]


@app.command()
def apply(repo: Repo = REPO, replace: Replace = False, as_json: JsonFlag = False) -> None:
    """Register the definitions in Feast's registry, having checked that each can be computed.

    Nothing running changes by that: `freshet submit features` takes the definitions over.
    """
    settings = load_settings()
    applied = apply_definitions(settings, repo, replace=replace)
    if as_json:
        print_json({"views": applied.views, "new": applied.new})
        return
    say(f"Registered: {', '.join(applied.views)}.")
    if applied.new:
        say(f"New: {', '.join(applied.new) if len(applied.new) <= NAMED else f'{len(applied.new)} features'}.")
        say("To compute them from now on: [bold]freshet submit features[/bold]")


@app.command()
def plan(
    view: Annotated[str | None, typer.Argument(help="One view; all if not given.")] = None, as_json: JsonFlag = False
) -> None:
    """Print what the registered views become: the Flink SQL, and how each feature behaves."""
    from freshet.jobs.feature_registry import registered_views
    from freshet.udfs.behaviour import behaviour
    from freshet.udfs.view_sql import view_query

    views = registered_views(load_settings())
    if view and view not in [one.name for one in views]:
        raise FreshetError(f"There is no view {view!r}; there are {', '.join(one.name for one in views)}.")
    wanted = [one for one in views if view in (None, one.name)]
    if as_json:
        print_json(
            {
                one.name: {"sql": view_query(one), "features": {f.name: behaviour(f) for f in one.features}}
                for one in wanted
            }
        )
        return
    for one in wanted:
        say(f"-- {one.name}, by {' and '.join(one.keys)}\n{view_query(one)};\n")
        for feature in one.features:
            say(feature.name)
            for what, how in behaviour(feature).items():
                say(f"    {what:10} {how}")
        say("")


@app.command()
def get(
    entity: Annotated[str, typer.Argument(help="user, item, category, or user_category.")],
    key: Annotated[str, typer.Argument(help="Its id; for user_category the user's and the category, with a comma.")],
    as_json: JsonFlag = False,
) -> None:
    """Read an entity's features from the online store, as any Feast client would."""
    settings = load_settings()
    values = read_features(settings, entity, key)
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        say(f"{name:38} {value}")


@dataclass(frozen=True)
class Applied:
    """The names of the stream feature views that are registered, and of the features that were not before."""

    views: list[str]
    new: list[str]


@app.command()
def history(
    rows: Annotated[
        Path, typer.Argument(help="CSV or Parquet: key columns (user_id stands for subject), event_timestamp.")
    ],
    out: Annotated[Path, typer.Option("--out", help="CSV or Parquet file to write.")],
    as_json: JsonFlag = False,
) -> None:
    """Make a training set: to each row what a reader of the online store would have read at its time.

    The values come from the archive (`freshet archive`), by the registered definitions.
    """
    from freshet.archive.read import connect
    from freshet.history import training_set
    from freshet.jobs.feature_registry import registered_views

    settings = load_settings()
    asked = with_subjects(settings, read_rows(rows))
    with counting("entities", quiet=as_json) as progress:
        found = training_set(connect(settings.archive.path), registered_views(settings), asked, progress)
    write_rows(found, out)
    if as_json:
        print_json({"rows": len(found), "columns": list(found.columns), "path": str(out)})
        return
    say(f"{len(found):,} rows of {len(found.columns)} columns in {out}.")


@app.command()
def check(
    sample: Annotated[int, typer.Option(min=1, help="So many entities of each view.")] = 1_000,
    as_json: JsonFlag = False,
) -> None:
    """Compare the online store with what the archive says that it should hold.

    Of each view some entities: those whose events are all in both are computed anew and compared, feature by feature.
    The exit code is 1 when something is missing, extra or different.
    """
    from freshet.archive.read import connect
    from freshet.consistency import Checker
    from freshet.jobs.feature_registry import registered_views
    from freshet.udfs.redis_pipe import RedisPipe

    settings = load_settings()
    pipe = RedisPipe(settings.redis.url.get_secret_value())
    checker = Checker(connect(settings.archive.path), pipe, settings.redis.project, sample)
    try:
        findings = [checker.check(view) for view in registered_views(settings)]
    except redis.RedisError:
        raise FreshetError(NO_STORE) from None
    if as_json:
        print_json({one.view: asdict(one) | {"rates": one.rates()} for one in findings})
    else:
        for one in findings:
            tell(one)
    if not all(one.is_clean for one in findings):
        raise typer.Exit(1)


def tell(findings: "Findings") -> None:
    """Print what was found of a view."""
    counts = f"{findings.compared:,} of {findings.sampled:,} entities compared, {findings.moving:,} on the move"
    say(f"{findings.view}: {counts}, {findings.missing:,} missing, {findings.extra:,} extra")
    for name, rate in findings.rates().items():
        if rate:
            say(f"  {name:36} {rate:.2%} differ")
    for example in findings.examples[:NAMED]:
        say(f"  {example}")


def read_rows(path: Path) -> "pd.DataFrame":
    """Return the rows of a CSV or Parquet file.

    Raises:
        FreshetError: there is no such file, or it is neither.
    """
    import pandas as pd

    if not path.is_file() or path.suffix not in (".csv", ".parquet"):
        raise FreshetError(f"{path} is no .csv or .parquet file.")
    return pd.read_csv(path, dtype=str) if path.suffix == ".csv" else pd.read_parquet(path)


def write_rows(rows: "pd.DataFrame", path: Path) -> None:
    """Write rows to a CSV or Parquet file, by its name.

    Raises:
        FreshetError: its name ends otherwise.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise FreshetError(f"{path} must end in .csv or .parquet.")
    rows.to_csv(path, index=False) if path.suffix == ".csv" else rows.to_parquet(path, index=False)


def with_subjects(settings: Settings, rows: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows with the subject of each user id in place of it."""
    from freshet.udfs.pseudonym import load_key, subject_of

    if "user_id" not in rows:
        return rows
    key = load_key(settings.privacy.pseudonym_key_file)
    return rows.assign(subject=[subject_of(str(user), key) for user in rows["user_id"]]).drop(columns="user_id")


@contextlib.contextmanager
def counting(what: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a count that grows, on the error stream."""
    with Progress(TextColumn("{task.completed:,} " + what), TimeElapsedColumn(), console=err, disable=quiet) as bar:
        task = bar.add_task(what, total=None)
        yield lambda count: bar.update(task, completed=count)


def apply_definitions(settings: Settings, repo: Path, *, replace: bool = False) -> Applied:
    """Register `definitions.py` of a folder and return what it holds.

    Raises:
        FreshetError: the folder has none, a view cannot be computed, or, unless they may `replace`, a registered feature
            would become another one.
    """
    from feast import Entity, StreamFeatureView

    from freshet.jobs.feature_registry import feature_store, registered_views, registry_file
    from freshet.udfs.view_checks import additions, check
    from freshet.udfs.views import views_from_feast

    declared = list(load_definitions(repo / "definitions.py").values())
    stream_views = [one for one in declared if isinstance(one, StreamFeatureView)]
    views = views_from_feast(stream_views)
    check(views)
    live = registered_views(settings) if registry_file(settings).exists() else []
    if not replace:
        refuse_changes(live, views)
    registry_file(settings).parent.mkdir(parents=True, exist_ok=True)
    entities = [one for one in declared if isinstance(one, Entity)]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        feature_store(settings).apply([*entities, *stream_views])
    return Applied(sorted(view.name for view in stream_views), additions(live, views))


def refuse_changes(live: Sequence[View], views: Sequence[View]) -> None:
    """Make sure that what is registered keeps its meaning.

    Raises:
        FreshetError: a view has another key, or a feature another definition; its state could not follow.
    """
    from freshet.udfs.view_checks import changes

    for change in changes(live, views):
        raise FreshetError(f"{change}. Give it a new name, or let it begin anew with --replace.")


def load_definitions(path: Path) -> dict[str, Any]:
    """Run a definitions file and return its names."""
    spec = spec_from_file_location("definitions", path) if path.exists() else None
    if spec is None or spec.loader is None:
        raise FreshetError(f"There is no {path}; name its folder with --repo.")
    module = module_from_spec(spec)
    sys.modules["definitions"] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


ENTITY_KEYS = {
    "user": ("subject",),
    "item": ("item_id",),
    "category": ("category",),
    "user_category": ("subject", "category"),
}


def read_features(settings: Settings, entity: str, key: str) -> dict[str, Any]:
    """Return the features of an entity, through Feast's own reader.

    Raises:
        FreshetError: no such kind of entity, or a key with too few parts.
    """
    from freshet.jobs.feature_registry import feature_store, registered_views

    row = entity_row(settings, entity, key)
    views = [view for view in registered_views(settings) if sorted(view.keys) == sorted(row)]
    names = [f"{view.name}:{feature.name}" for view in views for feature in view.features]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = feature_store(settings).get_online_features(features=names, entity_rows=[row]).to_dict()
        except redis.RedisError:
            raise FreshetError(NO_STORE) from None
    return {name: values[0] for name, values in answer.items()}


def entity_row(settings: Settings, entity: str, key: str) -> dict[str, str]:
    """Return Feast's entity row; a user id becomes its subject."""
    from freshet.udfs.pseudonym import load_key, subject_of

    if entity not in ENTITY_KEYS:
        raise FreshetError(f"There is no entity {entity!r}; choose one of {', '.join(ENTITY_KEYS)}.")
    names = ENTITY_KEYS[entity]
    parts = key.split(",", len(names) - 1)
    if len(parts) != len(names):
        raise FreshetError(f"{entity} needs {' and '.join(names)}, joined by a comma.")
    row = dict(zip(names, parts, strict=True))
    if "subject" in row:
        row["subject"] = subject_of(row["subject"], load_key(settings.privacy.pseudonym_key_file))
    return row
