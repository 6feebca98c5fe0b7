"""What is wrong with declared rules: one sentence each, before anything starts."""

import json
import math
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from freshet.errors import FreshetError
from freshet.schemas.avro import schema_text
from freshet.schemas.topics import INTERACTIONS
from freshet.udfs.rules import Abandoned, Boost, InARow, Intervene, Often, Recall, Rule
from freshet.udfs.view_sql import EVENT_COLUMNS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAME = re.compile(r"[a-z][a-z0-9_]*")
QUOTED = re.compile(r"'(?:[^']|'')*'|`[^`]*`")
LONGEST = timedelta(days=7)  # what a pattern waits for is state, for each user
COLUMNS = tuple(name for name in EVENT_COLUMNS if name != "context")


def check(rules: Sequence[Rule], taken: Collection[str] = ()) -> None:
    """Make sure that the rules can be compiled; `taken` are names that they may not have.

    Raises:
        FreshetError: the first reason why not.
    """
    for problem in problems(rules, taken):
        raise FreshetError(f"{problem}.")


def problems(rules: Sequence[Rule], taken: Collection[str] = ()) -> Iterator[str]:
    """Yield every reason why the rules cannot be compiled."""
    names = [rule.name for rule in rules]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"Two rules have the name {name!r}"
    for rule in rules:
        for problem in (*_of_name(rule.name, taken), *_of_pattern(rule.pattern), *_of_action(rule.action)):
            yield f"Rule {rule.name}: {problem}"


def _of_name(name: Any, taken: Collection[str]) -> Iterator[str]:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield f"{name!r} is no name; use small letters, digits and underscores"
    elif name in taken:
        yield "a view has that name"


def _of_pattern(pattern: Any) -> Iterator[str]:
    if isinstance(pattern, (InARow, Often)):
        yield from _of_count(pattern.count)
        yield from _of_span("within", pattern.within)
    if isinstance(pattern, InARow):
        if pattern.column not in COLUMNS:
            yield f"events have no column {pattern.column!r}; choose one of {', '.join(COLUMNS)}"
        yield from _of_condition(pattern.where) if pattern.where else ()
    elif isinstance(pattern, Often):
        yield from _of_condition(pattern.where) if pattern.where else ("say with `where` which events count",)
    elif isinstance(pattern, Abandoned):
        yield from _of_types(pattern)
        yield from _of_span("after", pattern.after)
    else:
        yield f"{pattern!r} is no pattern; choose InARow, Often or Abandoned"


def _of_count(count: Any) -> Iterator[str]:
    if not isinstance(count, int) or count < 2:
        yield f"a pattern is of two events or more, not {count!r}"


def _of_span(name: str, span: Any, longest: timedelta | None = LONGEST) -> Iterator[str]:
    if not isinstance(span, timedelta) or span < timedelta(milliseconds=1):
        yield f"`{name}` is a timedelta of a millisecond or more, not {span!r}"
    elif longest and span > longest:
        yield f"`{name}` is {span.days} days, and a pattern waits for {longest.days} at most"


def _of_types(pattern: Abandoned) -> Iterator[str]:
    for one in (pattern.start, *pattern.ends):
        if one not in event_types():
            yield f"there is no event type {one!r}; choose one of {', '.join(event_types())}"
    if not pattern.ends:
        yield "say with `ends` which events end it"
    if pattern.start in pattern.ends:
        yield f"{pattern.start} cannot both start and end it"


def _of_action(action: Any) -> Iterator[str]:
    if not isinstance(action, (Boost, Recall, Intervene)):
        yield f"{action!r} is no action; choose Boost, Recall or Intervene"
        return
    yield from _of_span("lasts", action.lasts, longest=None)
    if isinstance(action, Boost) and not (math.isfinite(action.factor) and action.factor > 0 and action.factor != 1):
        yield f"a factor of {action.factor} boosts nothing; take one above 1, or below 1 to damp"
    if isinstance(action, Intervene):
        if not isinstance(action.name, str) or not NAME.fullmatch(action.name):
            yield f"{action.name!r} is no name of an intervention; use small letters, digits and underscores"
    elif action.category is not None and not action.category:
        yield "its category is empty; leave it out, and it is that of the event"


def _of_condition(where: str) -> Iterator[str]:
    """Yield why a condition is none. DuckDB reads it on trial; a function that only Flink has is left to Flink."""
    import duckdb

    if re.search(r"\bvalue\b", QUOTED.sub("", where), re.IGNORECASE):
        yield "value is a word of SQL; write the column as `value`"
        return
    try:
        (kind,) = _trial().execute(f"""SELECT typeof({where.replace("`", '"')}) FROM events""").fetchone() or ("",)
    except duckdb.CatalogException:
        return
    except duckdb.Error as error:
        missing = re.search(r'Referenced column "([^"]*)" not found', str(error))
        yield (
            f"events have no column {missing[1]!r}; choose one of {', '.join(EVENT_COLUMNS)}"
            if missing
            else f"its condition {where!r} cannot be read: {str(error).splitlines()[0].rstrip('.!')}"
        )
        return
    if kind != "BOOLEAN":
        yield f"{where!r} is no condition but of type {kind}"


@cache
def _trial() -> "DuckDBPyConnection":
    """Return a connection with a table `events` of one event of which nothing is known."""
    import duckdb

    types = {"MAP<STRING, STRING>": "MAP(VARCHAR, VARCHAR)"}
    columns = ", ".join(f'NULL::{types.get(kind, kind)} AS "{name}"' for name, kind in EVENT_COLUMNS.items())
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE events AS SELECT {columns}")
    return connection


@cache
def event_types() -> tuple[str, ...]:
    """Return the types that an event can have."""
    (kind,) = (one["type"] for one in json.loads(schema_text(INTERACTIONS))["fields"] if one["name"] == "event_type")
    return tuple(symbol for symbol in kind["symbols"] if symbol != "UNKNOWN")
