"""The rules that `freshet features apply` has stored, beside Feast's registry."""

from pathlib import Path

from freshet.errors import FreshetError
from freshet.jobs.feature_registry import registry_file
from freshet.settings import Settings
from freshet.udfs.rules import Rule, from_json, to_json


def rules_file(settings: Settings) -> Path:
    """Return the file of the rules."""
    return registry_file(settings).with_name("rules.json")


def store_rules(settings: Settings, rules: list[Rule]) -> None:
    """Store rules in the place of those that stand there; a reader finds the old ones or the new ones."""
    path = rules_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".json.new")
    beside.write_text(to_json(rules) + "\n", "utf-8")
    beside.replace(path)


def registered_rules(settings: Settings) -> list[Rule]:
    """Return the stored rules in the order of their names; none where none were ever stored.

    Raises:
        FreshetError: the file cannot be read.
    """
    path = rules_file(settings)
    if not path.exists():
        return []
    try:
        return from_json(path.read_text("utf-8"))
    except (KeyError, TypeError, ValueError):
        raise FreshetError(f"{path} holds no rules of this version: run `freshet features apply`.") from None
