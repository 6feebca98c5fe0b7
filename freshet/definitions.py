"""The definitions file of a feature repository: loaded, checked, and registered."""

import contextlib
import io
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from freshet.errors import FreshetError
from freshet.settings import Settings
from freshet.udfs.views import View

MODULE = "freshet_definitions"
"""The name under which a definitions file is loaded, which is no other module's."""


@dataclass(frozen=True)
class Applied:
    """The names of the views and the rules that are registered, and of the features that were not before."""

    views: list[str]
    new: list[str]
    rules: list[str]


def apply_definitions(settings: Settings, repo: Path, *, replace: bool = False) -> Applied:
    """Register `definitions.py` of a folder and return what it holds.

    Raises:
        FreshetError: the folder has none, a view or a rule cannot be computed, or, unless they may `replace`, a registered
            feature would become another one.
    """
    from feast import Entity, StreamFeatureView

    from freshet.archive.sql_checks import check_sql
    from freshet.jobs.feature_registry import feature_store, registered_views, registry_file
    from freshet.jobs.rule_registry import store_rules
    from freshet.udfs.rule_checks import check as check_rules
    from freshet.udfs.rules import Rule
    from freshet.udfs.view_checks import additions, check
    from freshet.udfs.views import views_from_feast

    declared = list(load_definitions(repo / "definitions.py").values())
    stream_views = [one for one in declared if isinstance(one, StreamFeatureView)]
    views = views_from_feast(stream_views)
    check(views)
    check_sql(views, settings.features.item_vectors)
    rules = [one for one in declared if isinstance(one, Rule)]
    check_rules(rules, [view.name for view in views])
    live = registered_views(settings) if registry_file(settings).exists() else []
    if not replace:
        refuse_changes(live, views)
    registry_file(settings).parent.mkdir(parents=True, exist_ok=True)
    entities = [one for one in declared if isinstance(one, Entity)]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        feature_store(settings).apply([*entities, *stream_views])
    store_rules(settings, rules)
    return Applied(sorted(view.name for view in views), additions(live, views), sorted(rule.name for rule in rules))


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
    spec = spec_from_file_location(MODULE, path) if path.exists() else None
    if spec is None or spec.loader is None:
        raise FreshetError(f"There is no {path}; name its folder with --repo.")
    module = module_from_spec(spec)
    sys.modules[MODULE] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}
