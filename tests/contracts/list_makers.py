"""List makers over a real Redis, without a broker: everything counts as in stock."""

from pathlib import Path
from typing import Any

import orjson

from contracts.redis_server import RedisServer
from freshet.models.list_maker import ListMaker
from freshet.models.serving import ServingConfig, load_list_maker
from freshet.udfs.top_n import Because, ListedItem, TopList

PLAIN = """
home:
  candidates: 200
  sources:
    co-visit: {share: 0.6, weight: 0}
    popular: {share: 0.15, weight: 0}
    category: {share: 0.25, weight: 0}
  reranking:
    filters: {purchased: {repeat: never}, seen: {}}
    diversity: {method: none}
    windows: []
    exposure: null
"""
"""Candidates in the order of their scores, without what was seen or bought."""


def a_list_maker(server: RedisServer, folder: Path, length: int = 20, placements: str = PLAIN) -> ListMaker:
    """Return a list maker for the placements of a text; its threads end with it."""
    file = folder / "placements.yaml"
    file.write_text(placements)
    config = ServingConfig(
        redis_url=server.url,
        bootstrap_servers="",
        registry_url="http://127.0.0.1:1",
        project="freshet",
        model_path=None,
        providers=(),
        placements=("home",),
        placements_path=file,
        length=length,
        ttl_seconds=3_600,
        load_s=0.0,
    )
    return load_list_maker(config)


def listed(made: TopList) -> list[ListedItem]:
    """Return the places of a list as they are stored."""
    return [a_place(**place) for place in orjson.loads(made.json)["items"]]


def a_place(evidence: dict[str, Any], contributions: list[dict[str, Any]], **said: Any) -> ListedItem:
    because = Because(**(evidence | {"items": tuple(evidence["items"])}))
    parts = tuple((one["feature"], one["value"]) for one in contributions)
    return ListedItem(**said, evidence=because, contributions=parts)
