"""What the engine in `udfs/java/freshet/features` is told: the views, compiled to one JSON object."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from freshet.errors import FreshetError
from freshet.udfs.feast_layout import EntityKeys, field_name, timestamp_field, version_field
from freshet.udfs.view_sql import CARRIED, brought, brought_columns, meaning
from freshet.udfs.views import Aggregation, View

DEFINITIONS = "freshet.definitions"
"""The job's parameter that holds the digest of what it computes, so that `freshet submit` can tell when that changes."""

FEATURES = "freshet.features"
"""The job's parameter that holds the ids of the features that it computes, joined by dots."""

WATERMARK_DELAY_MS = 200  # a later event is merged all the same: waiting only saves the write that it repeats


@dataclass(frozen=True)
class EngineConfig:
    """What the engine needs to know beside the views; `state_ttl_ms` of 0 keeps state for ever."""

    redis_url: str
    project: str
    update_schema_id: int
    rejected_schema_id: int
    state_ttl_ms: int


def engine_spec(views: Sequence[View], config: EngineConfig) -> str:
    """Return the JSON that `Spec.java` reads.

    Raises:
        FreshetError: no view has the user alone as its key, so nothing could be announced.
    """
    columns = [*CARRIED, *brought_columns(views)]
    at = {expression: columns.index(name) for name, expression in brought_columns(views).items()}
    return json.dumps(
        {
            "redis_url": config.redis_url,
            "write_script": files("freshet.udfs").joinpath("write_features.lua").read_text("utf-8"),
            "key_ttl_seconds": key_ttl_seconds(views),
            "state_ttl_ms": config.state_ttl_ms,
            "watermark_delay_ms": WATERMARK_DELAY_MS,
            "update_schema_id": config.update_schema_id,
            "rejected_schema_id": config.rejected_schema_id,
            "subject_view": subject_view(views),
            "views": [_view(view, config.project, columns, at) for view in views],
        }
    )


def key_ttl_seconds(views: Sequence[View]) -> int:
    """Return the lifetime of an entity's hash: Feast keeps one for all views of an entity, so the longest; 0 is for ever."""
    lifetimes = [view.ttl_seconds for view in views]
    return max(lifetimes) if all(lifetimes) else 0


def subject_view(views: Sequence[View]) -> str:
    """Return the view whose version orders a subject's announcements.

    Raises:
        FreshetError: no view has the user alone as its key.
    """
    for view in views:
        if view.keys == ("subject",):
            return view.name
    raise FreshetError("No view has the user alone as its entity, so nothing can be announced: declare one.")


def _view(view: View, project: str, columns: Sequence[str], at: dict[str, int]) -> dict[str, Any]:
    keys = EntityKeys(project, view.keys)
    return {
        "name": view.name,
        "keys": [columns.index(f"key_{view.keys[place]}") for place in keys.order],
        "key_head": _base64(keys.head),
        "key_tail": _base64(keys.tail),
        "version_field": _base64(version_field(view.name)),
        "timestamp_field": _base64(timestamp_field(view.name)),
        "features": [_feature(view, one) | {"column": at[brought(one)]} for one in view.features],
    }


def _feature(view: View, feature: Aggregation) -> dict[str, Any]:
    return arithmetic(feature) | {
        "id": definition_id(view, feature),
        "name": feature.name,
        "field": _base64(field_name(view.name, feature.name)),
    }


def arithmetic(feature: Aggregation) -> dict[str, Any]:
    """Return what `Spec.aggregate` makes a feature's arithmetic of."""
    return {
        "function": feature.function,
        "window_ms": feature.window_ms,
        "slide_ms": feature.slide_ms,
        "n": feature.n,
        "prior": feature.prior,
        "prior_weight": feature.prior_weight,
    }


def definition_id(view: View, feature: Aggregation) -> str:
    """Return sixteen hex digits that stand for a feature's definition: another definition is another feature's state."""
    return hashlib.sha256(repr(meaning(view, feature)).encode()).hexdigest()[:16]


def definition_ids(views: Sequence[View]) -> dict[str, str]:
    """Return the ids of all features, by `<view>:<feature>`."""
    return {f"{view.name}:{one.name}": definition_id(view, one) for view in views for one in view.features}


def digest_of(views: Sequence[View]) -> str:
    """Return sixteen hex digits that change with whatever the job computes."""
    return hashlib.sha256(repr(tuple(views)).encode()).hexdigest()[:16]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
