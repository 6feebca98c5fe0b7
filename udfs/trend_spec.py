"""What the operators in `udfs/java/freshet/trends` are told: the trends, compiled to SQL and to one JSON object."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.resources import files
from typing import Any

from freshet.udfs.trends import CoVisits, FirstSeen, Followers, Kept, Popular, Sessions, Together, Trend

CARRIED = ("subject", "item_id", "event_time", "source_offset")
"""What the operators are given of each event whatever the trends, in this order."""

TRENDS = "freshet.trends"
"""The job's parameter that holds the digest of what it keeps."""

PLAIN = Kept()


@dataclass(frozen=True)
class Rows:
    """What the rows of one name have in common.

    Those of a set have no counts, but a `capacity`; if they are not `remembered` each is a member of its own.
    """

    name: str
    half_lives: tuple[timedelta, ...] = ()
    kept: Kept = PLAIN
    capacity: int = 0
    remembered: bool = True


@dataclass(frozen=True)
class TrendConfig:
    """What the operators need to know beside the trends."""

    redis_url: str
    state_ttl_ms: int


def brought_query(trends: Sequence[Trend], source: str) -> str:
    """Return the query of what each event of `source` that has an item brings to the trends."""
    lines = [f"`{name}`" for name in CARRIED]
    lines += [f"{text} AS `b{at}`" for at, text in enumerate(brought_columns(trends))]
    return "SELECT " + ",\n       ".join(lines) + f"\nFROM {source}\nWHERE item_id IS NOT NULL"


def brought_columns(trends: Sequence[Trend]) -> list[str]:
    """Return the expressions of the columns beside `CARRIED`: weights, null where an event does not count, and keys."""
    texts = [text for trend in trends for text in (weight(trend), *keys(trend))]
    return list(dict.fromkeys(texts))


def weight(trend: Trend) -> str:
    """Return the expression of what an event weighs.

    >>> weight(FirstSeen("fresh", where="event_type = 'view'"))
    "CASE WHEN (event_type = 'view') THEN CAST(1e0 AS DOUBLE) END"
    """
    return f"CASE WHEN ({trend.where}) THEN CAST({getattr(trend, 'weight', '1e0')} AS DOUBLE) END"


def keys(trend: Trend) -> tuple[str, ...]:
    """Return the expressions of what an event counts for: the rows of what is popular, or its basket."""
    if isinstance(trend, Popular):
        return trend.by
    return (trend.basket,) if isinstance(trend, Together) else ()


def rows_of(trend: Trend) -> tuple[Rows, ...]:
    """Return the kinds of rows that a trend has."""
    if isinstance(trend, Popular):
        return (Rows(trend.name, trend.half_lives, trend.kept),)
    if isinstance(trend, Sessions | FirstSeen):
        return (Rows(trend.name, capacity=trend.capacity, remembered=isinstance(trend, FirstSeen)),)
    own = Rows(trend.name, (trend.half_life,), trend.kept)
    return (own, Rows(trend.baskets, own.half_lives, trend.all_kept)) if isinstance(trend, Together) else (own,)


def definition_id(trend: Trend, name: str) -> str:
    """Return sixteen hex digits that stand for what is counted under a name; another definition is another state.

    How much is kept and written is no part of it, nor are the keys of what is popular: rows of new keys begin empty, and
    those of others stay.
    """
    same: Trend = trend
    if isinstance(trend, Popular):
        same = replace(trend, kept=PLAIN, by=())
    elif isinstance(trend, Together):
        same = replace(trend, kept=PLAIN, all_kept=PLAIN)
    elif isinstance(trend, Followers | CoVisits):
        same = replace(trend, kept=PLAIN)
    else:
        same = replace(trend, capacity=0)
    return hashlib.sha256(repr((name, same)).encode()).hexdigest()[:16]


def digest_of(trends: Sequence[Trend]) -> str:
    """Return sixteen hex digits that change with whatever the job keeps."""
    return hashlib.sha256(repr(tuple(trends)).encode()).hexdigest()[:16]


def trend_spec(trends: Sequence[Trend], config: TrendConfig) -> str:
    """Return the JSON that `TrendSpec.java` reads."""
    columns = [*CARRIED, *brought_columns(trends)]
    rows: list[dict[str, Any]] = []
    told = []
    for trend in trends:
        kinds = [_rows(one, definition_id(trend, one.name)) for one in rows_of(trend)]
        told.append(_trend(trend, columns) | {"rows": list(range(len(rows), len(rows) + len(kinds)))})
        rows += kinds
    return json.dumps(
        {
            "redis_url": config.redis_url,
            "write_script": files("freshet.udfs").joinpath("write_trends.lua").read_text("utf-8"),
            "key_ttl_seconds": config.state_ttl_ms // 1000,
            "state_ttl_ms": config.state_ttl_ms,
            "rows": rows,
            "trends": told,
        }
    )


def _rows(rows: Rows, identity: str) -> dict[str, Any]:
    return {
        "id": identity,
        "name": rows.name,
        "half_lives_ms": [_ms(one) for one in rows.half_lives],
        "keep": rows.kept.keep,
        "emit": rows.kept.emit,
        "every_ms": _ms(rows.kept.every),
        "slowest_ms": _ms(rows.kept.slowest),
        "capacity": rows.capacity,
        "remembered": rows.remembered,
    }


def _trend(trend: Trend, columns: Sequence[str]) -> dict[str, Any]:
    return _kind(trend) | {
        "id": definition_id(trend, trend.name),
        "weight": columns.index(weight(trend)),
        "by": [columns.index(text) for text in keys(trend)],
    }


def _kind(trend: Trend) -> dict[str, Any]:
    if isinstance(trend, Followers | CoVisits):
        beyond, backwards = (0.0, 0.0) if isinstance(trend, Followers) else (trend.beyond, trend.backwards)
        return {"kind": "pairs", "n": trend.last, "slack": trend.slack, "beyond": beyond, "backwards": backwards}
    if isinstance(trend, Together):
        return {"kind": "together", "n": trend.items}
    if isinstance(trend, Sessions):
        return {"kind": "sessions", "n": trend.longest, "shortest": trend.shortest, "gap_ms": _ms(trend.gap)}
    return {"kind": "popular" if isinstance(trend, Popular) else "first_seen"}


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
