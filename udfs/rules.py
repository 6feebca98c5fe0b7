"""Event rules: a pattern in what one user does, and what that user's lists do about it for a while.

    Rule("category_interest", InARow(3, within=timedelta(minutes=10), where="event_type = 'click'"),
         Boost(factor=2, lasts=timedelta(minutes=30)))

Rules are declared beside the views in `feature_repo/definitions.py`. Conditions are SQL over the columns of clean events.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class InARow:
    """`count` events in a row with one value of `column`, the first and the last less than `within` apart.

    Only events that have the column and for which `where` holds are looked at; others do not break the row.
    """

    count: int
    within: timedelta
    column: str = "category"
    where: str = ""


@dataclass(frozen=True)
class Often:
    """`count` events for which `where` holds, the first and the last less than `within` apart."""

    count: int
    within: timedelta
    where: str


@dataclass(frozen=True)
class Abandoned:
    """An event of type `start` after which, for longer than `after`, there is neither another one nor one of `ends`."""

    start: str
    ends: tuple[str, ...]
    after: timedelta


@dataclass(frozen=True)
class Boost:
    """The odds of a category's items are `factor` times as high; without a `category` it is that of the event."""

    factor: float
    lasts: timedelta
    category: str | None = None


@dataclass(frozen=True)
class Recall:
    """Popular items of a category are among the candidates; without a `category` it is that of the event."""

    lasts: timedelta
    category: str | None = None


@dataclass(frozen=True)
class Intervene:
    """The list names something for the front end to do."""

    name: str
    lasts: timedelta


Pattern = InARow | Often | Abandoned
Action = Boost | Recall | Intervene

KINDS: Mapping[str, type[Any]] = {
    "in_a_row": InARow,
    "often": Often,
    "abandoned": Abandoned,
    "boost": Boost,
    "recall": Recall,
    "intervene": Intervene,
}
"""The name of each pattern and action, as it stands in JSON and in triggers."""


@dataclass(frozen=True)
class Rule:
    """When the pattern is complete, the action begins; when it is completed again, the action begins again."""

    name: str
    pattern: Pattern
    action: Action


RULES = "freshet.rules"
"""The rules job's parameter that holds the digest of its rules, so that `freshet submit` can tell when they change."""


def digest_of(rules: Iterable[Rule]) -> str:
    """Return sixteen hex digits that change with any rule."""
    return hashlib.sha256(to_json(rules).encode()).hexdigest()[:16]


def kind_of(part: Pattern | Action) -> str:
    """Return the name of a pattern or an action.

    >>> kind_of(Recall(timedelta(minutes=1)))
    'recall'
    """
    return next(name for name, kind in KINDS.items() if isinstance(part, kind))


def milliseconds(span: timedelta) -> int:
    """Return the whole milliseconds of a span.

    >>> milliseconds(timedelta(seconds=1.5))
    1500
    """
    return span // timedelta(milliseconds=1)


def to_json(rules: Iterable[Rule]) -> str:
    """Return rules as JSON, spans in milliseconds; in the order of their names."""
    ordered = sorted(rules, key=lambda rule: rule.name)
    return json.dumps(
        [{"name": one.name, "pattern": _part(one.pattern), "action": _part(one.action)} for one in ordered], indent=2
    )


def _part(part: Pattern | Action) -> dict[str, Any]:
    values = {field.name: getattr(part, field.name) for field in fields(part)}
    return {"kind": kind_of(part)} | {
        name: {"ms": milliseconds(value)} if isinstance(value, timedelta) else value for name, value in values.items()
    }


def from_json(text: str) -> list[Rule]:
    """Return the rules of `to_json`.

    Raises:
        ValueError, KeyError, TypeError: the text is something else.
    """
    return [Rule(one["name"], _read(one["pattern"]), _read(one["action"])) for one in json.loads(text)]


def _read(part: Mapping[str, Any]) -> Any:
    return KINDS[part["kind"]](**{name: _value(value) for name, value in part.items() if name != "kind"})


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return timedelta(milliseconds=value["ms"])
    return tuple(value) if isinstance(value, list) else value
