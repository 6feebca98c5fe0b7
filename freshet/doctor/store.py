"""Redis: does it keep what it is given?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis

from freshet.doctor.finding import Finding, ok, problem, size, warning
from freshet.errors import FreshetError
from freshet.settings import Settings

OLDEST = (6, 2)
FULL, NEARLY_FULL = 0.9, 0.75
TIMEOUT_S = 5


@dataclass(frozen=True)
class Store:
    """What a server says of itself; `max_bytes` of 0 is no limit, `saves` the rule for snapshots, empty for none."""

    address: str
    version: str
    mode: str
    used_bytes: int
    max_bytes: int
    policy: str
    append_only: bool
    saves: str
    last_write_ok: bool


def judge_store(store: Store) -> Iterator[Finding]:
    """Tell what would lose or refuse values."""
    yield judge_version(store)
    yield judge_memory(store)
    yield judge_persistence(store)


def judge_version(store: Store) -> Finding:
    """Tell whether the server is one that the jobs can write to."""
    known = tuple(int(part) for part in store.version.split(".")[:2])
    if store.mode == "cluster":
        return problem(
            "redis", f"{store.address} is a cluster, and one call writes keys of many slots: use one server."
        )
    if known < OLDEST:
        return warning(
            "redis", f"{store.address} is Redis {store.version}; 6.2 is the oldest that is tested: upgrade it."
        )
    return ok("redis", f"{store.address} answers, Redis {store.version}.")


def judge_memory(store: Store) -> Finding:
    """Tell whether the server will have to evict or refuse."""
    used = f"{size(store.used_bytes)} of {size(store.max_bytes)}" if store.max_bytes else size(store.used_bytes)
    if store.max_bytes and store.policy != "noeviction":
        return problem(
            "redis", f"maxmemory-policy is {store.policy}, which evicts features unseen: set it to noeviction."
        )
    share = store.used_bytes / store.max_bytes if store.max_bytes else 0.0
    if share >= FULL:
        return problem("redis", f"{used} are used; at the limit writes are refused and jobs stop: raise maxmemory.")
    if share >= NEARLY_FULL:
        return warning("redis", f"{used} are used; raise maxmemory before it is full.")
    return ok("redis", f"{used} are used, and nothing is evicted.")


def judge_persistence(store: Store) -> Finding:
    """Tell whether values survive a restart of the server."""
    if not store.last_write_ok:
        return problem("redis", "Its last write to disk failed: see its log and the space on its disk.")
    if not (store.append_only or store.saves):
        return warning(
            "redis",
            "It keeps nothing on disk, so a restart empties the store: set appendonly yes, as `freshet up` does.",
        )
    how = "an append-only file" if store.append_only else f"snapshots (save {store.saves})"
    return ok("redis", f"It keeps values on disk, by {how}.")


def look_at_store(settings: Settings) -> Store:
    """Ask the server about itself.

    Raises:
        FreshetError: it does not answer.
    """
    client = connect(settings)
    try:
        with client:
            return store_of(address(settings), client.info(), saves(client))
    except redis.RedisError as error:
        raise store_down(settings, error) from None


def connect(settings: Settings) -> redis.Redis:
    """Return a client that waits five seconds at most."""
    url = settings.redis.url.get_secret_value()
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def store_down(settings: Settings, error: Exception) -> FreshetError:
    """Say in one sentence that the store cannot be used, and what to do."""
    return FreshetError(
        f"Redis at {address(settings)} does not answer ({str(error).rstrip('.')}); start it with `freshet up` or set "
        "FRESHET_REDIS__URL."
    )


def address(settings: Settings) -> str:
    """Return the server's host and port, without what is secret in its URL."""
    parts = urlsplit(settings.redis.url.get_secret_value())
    return f"{parts.hostname}:{parts.port or 6379}"


def saves(client: redis.Redis) -> str:
    """Return the rule for snapshots; some servers refuse to tell."""
    try:
        return str(client.config_get("save").get("save", ""))
    except redis.ResponseError:
        return ""


def store_of(where: str, info: dict[str, Any], save_rule: str) -> Store:
    """Return the facts of Redis' answer to INFO."""
    statuses = [info.get(name, "ok") for name in ("aof_last_write_status", "rdb_last_bgsave_status")]
    return Store(
        address=where,
        version=str(info["redis_version"]),
        mode=str(info.get("redis_mode", "standalone")),
        used_bytes=int(info["used_memory"]),
        max_bytes=int(info.get("maxmemory", 0)),
        policy=str(info.get("maxmemory_policy", "noeviction")),
        append_only=bool(info.get("aof_enabled", 0)),
        saves=save_rule,
        last_write_ok=all(status == "ok" for status in statuses),
    )
