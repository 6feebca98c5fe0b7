"""`freshet features`: register what is declared, show what Flink makes of it, read what it has computed."""

import contextlib
import io
import sys
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Annotated, Any

import redis
import typer

from freshet.console import JsonFlag, print_json, say
from freshet.errors import FreshetError
from freshet.settings import Settings, load_settings

app = typer.Typer(help="Features: declared in Feast, computed by Flink.", no_args_is_help=True)

Repo = Annotated[Path, typer.Option("--repo", help="Folder that holds definitions.py.")]
REPO = Path("feature_repo")


@app.command()
def apply(repo: Repo = REPO, as_json: JsonFlag = False) -> None:
    """Register the definitions in Feast's registry, having checked that each can be computed."""
    settings = load_settings()
    names = apply_definitions(settings, repo)
    if as_json:
        print_json({"views": names})
        return
    say(f"Registered: {', '.join(names)}.")


@app.command()
def plan(view: Annotated[str | None, typer.Argument(help="One view; all if not given.")] = None) -> None:
    """Print the Flink SQL that the registered views become."""
    from freshet.jobs.feature_registry import registered_views
    from freshet.udfs.view_sql import chain

    views = registered_views(load_settings())
    if view and view not in [one.name for one in views]:
        raise FreshetError(f"There is no view {view!r}; there are {', '.join(one.name for one in views)}.")
    for one, (_, query) in zip(views, chain(views, "unique_events"), strict=True):
        if view in (None, one.name):
            say(f"-- {one.name}\n{query};\n")


@app.command()
def get(
    entity: Annotated[str, typer.Argument(help="user, item, or user_category.")],
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


def apply_definitions(settings: Settings, repo: Path) -> list[str]:
    """Register `definitions.py` of a folder and return the names of its stream feature views.

    Raises:
        FreshetError: the folder has none, or a view cannot be computed.
    """
    from feast import Entity, StreamFeatureView

    from freshet.jobs.feature_registry import feature_store, registry_file
    from freshet.udfs.view_sql import chain
    from freshet.udfs.views import views_from_feast

    declared = list(load_definitions(repo / "definitions.py").values())
    stream_views = [one for one in declared if isinstance(one, StreamFeatureView)]
    chain(views_from_feast(stream_views), "unique_events")
    registry_file(settings).parent.mkdir(parents=True, exist_ok=True)
    entities = [one for one in declared if isinstance(one, Entity)]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        feature_store(settings).apply([*entities, *stream_views])
    return sorted(view.name for view in stream_views)


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


ENTITY_KEYS = {"user": ("subject",), "item": ("item_id",), "user_category": ("subject", "category")}


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
            raise FreshetError(
                "The online store does not answer; start one with `freshet up` or set FRESHET_REDIS__URL."
            ) from None
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
