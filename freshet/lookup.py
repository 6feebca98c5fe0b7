"""Looks the features of one entity up, by the name of the entity and the parts of its key."""

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import redis

from freshet.errors import FreshetError
from freshet.settings import Settings

NO_STORE = "The online store does not answer; start one with `freshet up` or set FRESHET_REDIS__URL."


def read_features(settings: Settings, entity: str, key: str) -> dict[str, Any]:
    """Return the features of an entity, through Feast's own reader.

    Raises:
        FreshetError: no such kind of entity, or a key with too few parts.
    """
    from freshet.jobs.feature_registry import feature_store, registered_entities, registered_views

    row = entity_row(settings, registered_entities(settings), entity, key)
    views = [view for view in registered_views(settings) if sorted(view.keys) == sorted(row)]
    names = [f"{view.name}:{feature.name}" for view in views for feature in view.features]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = feature_store(settings).get_online_features(features=names, entity_rows=[row]).to_dict()
        except redis.RedisError:
            raise FreshetError(NO_STORE) from None
    declared = [feature.name for view in views for feature in view.features]
    return {name: answer[name][0] for name in (*row, *declared)}  # Feast gives them in no order


def live_features(settings: Settings, entity: str, key: str) -> dict[str, Any]:
    """Return the features of an entity as they are now, by our own reader.

    Raises:
        FreshetError: no such kind of entity, a key with too few parts, or no store.
    """
    from freshet.jobs.feature_registry import registered_entities, registered_views
    from freshet.udfs.live_features import LiveReader
    from freshet.udfs.redis_pipe import RedisPipe

    row = entity_row(settings, registered_entities(settings), entity, key)
    pipe, now = RedisPipe(settings.redis.url.get_secret_value()), time.time_ns() // 1_000_000
    values: dict[str, Any] = dict(row)
    for view in registered_views(settings):
        if sorted(view.keys) == sorted(row):
            try:
                [reading] = LiveReader(pipe, settings.redis.project, view).read([[row[key] for key in view.keys]], now)
            except redis.RedisError:
                raise FreshetError(NO_STORE) from None
            values |= zip((feature.name for feature in view.features), reading.values, strict=True)
    return values


def entity_row(settings: Settings, entities: Mapping[str, Sequence[str]], entity: str, key: str) -> dict[str, str]:
    """Return Feast's entity row; a user id becomes its subject.

    Raises:
        FreshetError: no such kind of entity, or a key with too few parts.
    """
    from freshet.udfs.pseudonym import load_key, subject_of

    if entity not in entities:
        raise FreshetError(f"There is no entity {entity!r}; choose one of {', '.join(entities)}.")
    names = entities[entity]
    parts = key.split(",", len(names) - 1)
    if len(parts) != len(names):
        raise FreshetError(f"{entity} needs {' and '.join(names)}, joined by a comma.")
    row = dict(zip(names, parts, strict=True))
    if "subject" in row:
        row["subject"] = subject_of(row["subject"], load_key(settings.privacy.pseudonym_key_file))
    return row
