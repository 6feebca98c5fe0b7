"""`freshet features`: register what is declared, show what Flink makes of it, read what it has computed."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import redis
import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from freshet.console import JsonFlag, err, print_json, say
from freshet.definitions import apply_definitions
from freshet.errors import FreshetError
from freshet.lookup import NO_STORE, live_features, read_features
from freshet.settings import Settings, load_settings
from freshet.udfs.views import View

if TYPE_CHECKING:
    import pandas as pd

    from freshet.consistency import Findings

app = typer.Typer(help="Features: declared in Feast, computed by Flink.", no_args_is_help=True)

Repo = Annotated[Path, typer.Option("--repo", help="Folder that holds definitions.py.")]
REPO = Path("feature_repo")
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
        print_json({"views": applied.views, "new": applied.new, "rules": applied.rules})
        return
    say(f"Registered: {', '.join(applied.views)}.")
    if applied.rules:
        say(f"Rules: {', '.join(applied.rules)}.")
    if applied.new:
        say(f"New: {', '.join(applied.new) if len(applied.new) <= NAMED else f'{len(applied.new)} features'}.")
        say("To compute them from now on: [bold]freshet submit features[/bold]")


@app.command()
def plan(
    name: Annotated[str | None, typer.Argument(help="One view or rule; all if not given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print what the registered views and rules become: the Flink SQL, and how each feature behaves."""
    from freshet.jobs.feature_registry import registered_views
    from freshet.jobs.rule_registry import registered_rules
    from freshet.udfs.rule_sql import rule_query

    settings = load_settings()
    views, rules = registered_views(settings), registered_rules(settings)
    known = [*(view.name for view in views), *(rule.name for rule in rules)]
    if name and name not in known:
        raise FreshetError(f"There is no view or rule {name!r}; there are {', '.join(known)}.")
    views = [one for one in views if name in (None, one.name)]
    sql_of_rules = {one.name: rule_query(one) for one in rules if name in (None, one.name)}
    if as_json:
        print_json(plans_of(views) | {rule: {"sql": sql} for rule, sql in sql_of_rules.items()})
        return
    tell_plans(views)
    for rule, sql in sql_of_rules.items():
        say(f"-- rule {rule}\n{sql};\n")


def plans_of(views: Sequence[View]) -> dict[str, Any]:
    """Return for each view its SQL, and how its features behave."""
    from freshet.udfs.behaviour import behaviour
    from freshet.udfs.view_sql import view_query

    return {
        one.name: {"sql": view_query(one), "features": {f.name: behaviour(f) for f in one.features}} for one in views
    }


def tell_plans(views: Sequence[View]) -> None:
    """Print the same for people."""
    from freshet.udfs.behaviour import behaviour
    from freshet.udfs.view_sql import view_query

    for one in views:
        say(f"-- {one.name}, by {' and '.join(one.keys)}\n{view_query(one)};\n")
        for feature in one.features:
            say(feature.name)
            for what, how in behaviour(feature).items():
                say(f"    {what:10} {how}")
        say("")


@app.command()
def get(
    entity: Annotated[str, typer.Argument(help="user, item, user_category ...: what the registered views are of.")],
    key: Annotated[str, typer.Argument(help="Its id; for user_category the user's and the category, with a comma.")],
    now: Annotated[
        bool, typer.Option("--now", help="Let time pass up to now: decay goes on, a window that is over is empty.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Read an entity's features from the online store, as any Feast client would: as of its latest event.

    What time has done to them since is told by [bold]--now[/bold].
    """
    settings = load_settings()
    values = live_features(settings, entity, key) if now else read_features(settings, entity, key)
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        say(f"{name:38} {value}")


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
        archive = connect(settings.archive.path, settings.features.item_vectors)
        found = training_set(archive, registered_views(settings), asked, progress)
    write_rows(found, out)
    if as_json:
        print_json({"rows": len(found), "columns": list(found.columns), "path": str(out)})
        return
    say(f"{len(found):,} rows of {len(found.columns)} columns in {out}.")


@app.command()
def backfill(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Views, or features as <view>:<feature>; if not given, those that do not run yet."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Fill new features with what the archive knows, and let the features job go on from there.

    The job stops with a savepoint, which gains the archived events, and goes on from it: none is missing, none counts twice.
    Meanwhile features stand still; readers find the last values. A feature that is named is computed anew from the archive.
    """
    from freshet.backfill import backfill as fill
    from freshet.commands.schemas import quieten_the_kafka_client

    quieten_the_kafka_client()
    filled = fill(load_settings(), names or [], lambda text: say(text, quiet=as_json))
    if as_json:
        print_json({"features": filled.features, "id": filled.job.id, "savepoint": filled.savepoint})
        return
    named = ", ".join(filled.features) if len(filled.features) <= NAMED else f"{len(filled.features)} features"
    say(f"Filled: {named}.")
    say(f"features goes on as {filled.job.id}, from {filled.savepoint}.")


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
    archive = connect(settings.archive.path, settings.features.item_vectors)
    checker = Checker(archive, pipe, settings.redis.project, sample)
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
