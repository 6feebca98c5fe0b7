"""The Feast registry: where the views that the jobs compute are declared."""

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from freshet.errors import FreshetError
from freshet.settings import Settings
from freshet.udfs.views import View, views_from_feast

if TYPE_CHECKING:
    from feast import FeatureStore, StreamFeatureView
    from feast.repo_config import RepoConfig

KEY_TTL_SECONDS = 90 * 86_400


def registry_file(settings: Settings) -> Path:
    """Return the file of the registry."""
    return settings.local.home / "feast" / "registry.db"


def repo_config(settings: Settings) -> "RepoConfig":
    """Return Feast's configuration for these settings; importing Feast takes seconds, so it is done here."""
    os.environ.setdefault("FEAST_USAGE", "False")
    from feast.repo_config import RepoConfig

    warnings.filterwarnings("ignore", message="Stream feature views are experimental")  # Feast resets the filters

    return RepoConfig(
        project=settings.redis.project,
        provider="local",
        registry=str(registry_file(settings)),
        online_store={
            "type": "redis",
            "connection_string": connection_string(settings.redis.url.get_secret_value()),
            "key_ttl_seconds": KEY_TTL_SECONDS,
        },
        offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )


def connection_string(url: str) -> str:
    """Return Feast's form of a Redis URL.

    Raises:
        FreshetError: the user's name or the password holds a comma, which Feast's form has no way to write.

    >>> connection_string("rediss://:secret@store:6380/2")
    'store:6380,db=2,password=secret,ssl=true'
    """
    parts = urlsplit(url)
    options = [f"db={parts.path.strip('/')}"] if parts.path.strip("/") not in ("", "0") else []
    options += [f"username={_option(parts.username)}"] if parts.username else []
    options += [f"password={_option(parts.password)}"] if parts.password else []
    options += ["ssl=true"] if parts.scheme == "rediss" else []
    return ",".join([f"{parts.hostname}:{parts.port or 6379}", *options])


def _option(quoted: str) -> str:
    """Return a part of a URL as it is meant; in JSON's quotes where Feast, which tries JSON first, would read a number."""
    text = unquote(quoted)
    if "," in text:
        raise FreshetError("Feast cannot connect to Redis with a user name or a password that holds a comma.")
    try:
        json.loads(text)
    except ValueError:
        return text
    return json.dumps(text)


def feature_store(settings: Settings) -> "FeatureStore":
    """Return Feast's store."""
    config = repo_config(settings)
    from feast import FeatureStore

    return FeatureStore(config=config)


def registered_views(settings: Settings) -> list[View]:
    """Return the stream feature views of the registry.

    Raises:
        FreshetError: the registry holds none, or one that cannot be computed.
    """
    return views_from_feast(_registered(settings))


def registered_entities(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the join keys of what the registered views are of; a view of a user and a category is of `user_category`.

    Raises:
        FreshetError: the registry holds no view.
    """
    views = _registered(settings)
    join_keys = {entity.name: entity.join_key for entity in feature_store(settings).list_entities()}
    kinds = {"_".join(view.entities): tuple(join_keys[name] for name in view.entities) for view in views}
    return dict(sorted(kinds.items()))


def _registered(settings: Settings) -> list["StreamFeatureView"]:
    declared = feature_store(settings).list_stream_feature_views() if registry_file(settings).exists() else []
    if not declared:
        raise FreshetError("The Feast registry holds no stream feature view: run `freshet features apply`.")
    return list(declared)
