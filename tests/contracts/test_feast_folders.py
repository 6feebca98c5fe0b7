"""Each folder of definitions is one that Feast's own command takes, and whose entities are read by their names."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import redis
import yaml

from builders import EXAMPLES, FEATURE_REPO, NOON, REPOS, views_of
from contracts.writer import Values, ViewWriter
from freshet.definitions import apply_definitions
from freshet.errors import FreshetError
from freshet.jobs.feature_registry import (
    KEY_TTL_SECONDS,
    feature_store,
    registered_entities,
    registered_views,
    registry_file,
)
from freshet.lookup import read_features
from freshet.settings import Settings
from freshet.udfs.feast_layout import EntityKeys, double
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.versions import Version
from freshet.udfs.views import View

pytestmark = [pytest.mark.stack, pytest.mark.filterwarnings("ignore")]  # Feast has much to warn of


def at_home(settings: Settings, home: Path) -> Settings:
    """Return settings with a registry of their own."""
    return settings.model_copy(update={"local": settings.local.model_copy(update={"home": home})})


@REPOS
def test_feasts_command_registers_what_ours_registers_and_then_changes_nothing(
    settings: Settings, tmp_path: Path, repo: Path
) -> None:
    """On an empty registry, and on the one that our command made."""
    by_feast, by_us = at_home(settings, tmp_path / "feast"), at_home(settings, tmp_path / "ours")
    feast_apply(repo, by_feast, tmp_path / "first")
    apply_definitions(by_us, repo)
    before = registered(by_us)
    assert before[0] == list(views_of(repo))
    assert registered(by_feast) == before
    feast_apply(repo, by_us, tmp_path / "second")
    assert registered(by_us) == before


def feast_apply(repo: Path, settings: Settings, copy: Path) -> None:
    """Run `feast apply` in a copy of a folder whose settings name the registry of ours."""
    shutil.copytree(repo, copy)
    said = yaml.safe_load((copy / "feature_store.yaml").read_text("utf-8"))
    said["registry"]["path"] = str(registry_file(settings))
    registry_file(settings).parent.mkdir(parents=True, exist_ok=True)
    (copy / "feature_store.yaml").write_text(yaml.safe_dump(said), "utf-8")
    command = [str(Path(sys.executable).with_name("feast")), "apply"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def registered(settings: Settings) -> tuple[list[View], dict[str, tuple[str, ...]], list[tuple[str, str, str]]]:
    """Return what a registry holds: views, what they are of, and entities."""
    entities = [(one.name, one.join_key, one.description) for one in feature_store(settings).list_entities()]
    return registered_views(settings), registered_entities(settings), sorted(entities)


def test_an_entity_is_read_by_the_name_that_its_views_are_registered_of(
    stack: object, settings: Settings, tmp_path: Path
) -> None:
    """Also one that a definition has made up; a user id becomes its subject, and the last part may hold a comma."""
    own = at_home(settings, tmp_path / "home")
    for repo in (FEATURE_REPO, EXAMPLES / "music"):
        apply_definitions(own, repo)
    [trends] = [view for view in views_of(EXAMPLES / "music") if view.name == "region_genre_popularity"]
    url, key = settings.redis.url.get_secret_value(), ("north", "rock, or so")
    row = Values(key, Version(NOON, 1), [double(1.5), double(0.25)])
    ViewWriter(trends, "freshet", KEY_TTL_SECONDS, RedisPipe(url)).write([row])
    found = read_features(own, "region_genre", ",".join(key))
    with redis.Redis.from_url(url) as client:
        client.delete(EntityKeys("freshet", trends.keys)(key))
    declared = [*trends.keys, *(feature.name for feature in trends.features)]
    assert list(found.items()) == list(zip(declared, (*key, 1.5, 0.25), strict=True))
    assert read_features(own, "track", "t1").keys() >= {"item_events_ewma_1h", "track_plays_count_5m"}
    subject = read_features(own, "user", "1")["subject"]
    assert subject == read_features(own, "user_genre", "1,rock")["subject"]
    assert subject != "1"


def test_an_entity_that_is_not_is_answered_with_those_that_are(settings: Settings, tmp_path: Path) -> None:
    own = at_home(settings, tmp_path / "home")
    apply_definitions(own, EXAMPLES / "music")
    with pytest.raises(FreshetError) as refusal:
        read_features(own, "category", "rock")
    there = "genre, region_genre, track, user, user_genre"
    assert str(refusal.value) == f"There is no entity 'category'; choose one of {there}."
    with pytest.raises(FreshetError) as refusal:
        read_features(own, "region_genre", "north")
    assert str(refusal.value) == "region_genre needs region and category, joined by a comma."
