"""Rules on the command line: stored by `features apply`, printed by `features plan`, taken over by `submit rules`."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import FEATURE_REPO, the_shops_rules
from freshet.commands import features
from freshet.commands.submit import is_outdated
from freshet.definitions import apply_definitions
from freshet.errors import FreshetError
from freshet.jobs.rule_registry import registered_rules, rules_file, store_rules
from freshet.settings import Local, Settings
from freshet.submit import Cluster, Job
from freshet.udfs.rules import RULES, Boost, InARow, Rule, digest_of

pytestmark = pytest.mark.filterwarnings("ignore")  # Feast has much to warn of

RULE = Rule("interest", InARow(3, within=timedelta(minutes=10)), Boost(2, timedelta(minutes=30)))
RUNNING = Job("1" * 32, "freshet-rules", "RUNNING")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, local=Local(home=tmp_path / "home"))


def by_name(rules: tuple[Rule, ...]) -> list[Rule]:
    return sorted(rules, key=lambda rule: rule.name)


# ---- The file beside Feast's ----------------------------------------------------------------------------------------


def test_where_none_were_stored_there_are_none(settings: Settings) -> None:
    assert registered_rules(settings) == []


def test_stored_rules_take_the_place_of_those_before(settings: Settings) -> None:
    store_rules(settings, list(the_shops_rules()))
    store_rules(settings, [RULE])
    assert registered_rules(settings) == [RULE]
    assert [path.name for path in rules_file(settings).parent.iterdir()] == ["rules.json"]


def test_a_file_that_holds_no_rules_is_told(settings: Settings) -> None:
    store_rules(settings, [])
    rules_file(settings).write_text('[{"name": "of another version"}]')
    with pytest.raises(FreshetError, match=r"rules.json holds no rules of this version: run `freshet features apply`"):
        registered_rules(settings)


# ---- Applied and planned --------------------------------------------------------------------------------------------


def test_the_shops_rules_are_applied_with_its_views_and_planned_like_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "load_settings", lambda: settings)
    names = [rule.name for rule in by_name(the_shops_rules())]
    applied = CliRunner().invoke(features.app, ["apply", "--repo", str(FEATURE_REPO), "--json"], catch_exceptions=False)
    assert json.loads(applied.stdout)["rules"] == names
    assert registered_rules(settings) == by_name(the_shops_rules())
    everything = CliRunner().invoke(features.app, ["plan", "--json"], catch_exceptions=False)
    assert [name for name, plan in json.loads(everything.stdout).items() if "features" not in plan] == names
    one = CliRunner().invoke(features.app, ["plan", "cart_abandoned"], catch_exceptions=False)
    assert one.stdout.startswith("-- rule cart_abandoned\nSELECT ")
    assert "MATCH_RECOGNIZE" not in one.stdout


def test_definitions_with_a_wrong_rule_change_nothing(settings: Settings, tmp_path: Path) -> None:
    text = (FEATURE_REPO / "definitions.py").read_text("utf-8")
    (tmp_path / "definitions.py").write_text(text.replace("Boost(factor=2", "Boost(factor=1"))
    with pytest.raises(FreshetError, match="Rule category_interest: a factor of 1 boosts nothing"):
        apply_definitions(settings, tmp_path)
    assert not rules_file(settings).exists()


# ---- Submitted ------------------------------------------------------------------------------------------------------


@dataclass
class Running(Cluster):
    """A cluster on which a job runs that was submitted with this parameter."""

    value: str | None

    def parameter(self, job: Job, name: str) -> str | None:
        assert name == RULES
        return self.value


def test_a_job_of_other_rules_than_are_stored_is_outdated(settings: Settings) -> None:
    store_rules(settings, [RULE])
    assert not is_outdated(Running(digest_of([RULE])), "rules", RUNNING, settings)
    assert is_outdated(Running(digest_of(the_shops_rules())), "rules", RUNNING, settings)


def test_a_job_that_tells_nothing_of_itself_is_left_alone(settings: Settings) -> None:
    assert not is_outdated(Running(None), "rules", RUNNING, settings)
    assert not is_outdated(Running("whatever"), "scoring", RUNNING, settings)
