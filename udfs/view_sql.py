"""From views to Flink SQL: one OVER window a view, one column a feature.

Each event flows through the views one after the other and leaves with the new values of all of them, so one row holds
everything that the event changed and one writer can store it before it is announced.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from freshet.errors import FreshetError
from freshet.udfs.views import Aggregation, View

# What an event carries through the job. `position` orders the events of one instant.
EVENT_COLUMNS = (
    "event_id",
    "subject",
    "item_id",
    "event_type",
    "event_time",
    "value",
    "department",
    "category",
    "product_type",
    "brand",
    "source_offset",
)

NUMBERS = frozenset(("event_time", "value", "source_offset"))
KEYS = ("subject", "item_id", "event_type", "category")  # what the writer is given of each event to make keys from

# The Java functions that the SQL calls, and their classes in the jar that `freshet up` puts on the cluster.
FUNCTIONS = {
    "freshet_count": "freshet.udfs.WindowCount",
    "freshet_sum": "freshet.udfs.WindowSum",
    "freshet_ewma": "freshet.udfs.Ewma",
    "freshet_trend": "freshet.udfs.Trend",
    "freshet_last_n": "freshet.udfs.LastN",
    "freshet_last_n_distinct": "freshet.udfs.LastNDistinct",
    "freshet_session_count": "freshet.udfs.SessionCount",
    "freshet_session_duration": "freshet.udfs.SessionDuration",
    "freshet_row": "freshet.udfs.FeatureRow",
}

LISTS = ("last_n", "last_n_distinct")  # bounded by a number of values, not by a window

Expression = Callable[[Aggregation], str]


def _counted(feature: Aggregation) -> str:
    """Return the condition under which an event counts: the column is there, and the filter holds."""
    there = f"`{feature.column}` IS NOT NULL"
    return f"({there} AND ({feature.where}))" if feature.where else f"({there})"


def _value(feature: Aggregation) -> str:
    """Return the value that an event brings; null when it brings none."""
    return f"CASE WHEN {_counted(feature)} THEN `{feature.column}` END"


def _one(feature: Aggregation) -> str:
    return f"CASE WHEN {_counted(feature)} THEN 1e0 END"


EXPRESSIONS: dict[str, Expression] = {
    "count": lambda f: f"freshet_count({_counted(f)}, event_time, {f.window_ms}, {f.slide_ms})",
    "sum": lambda f: f"freshet_sum({_value(f)}, event_time, {f.window_ms}, {f.slide_ms})",
    "ewma": lambda f: f"freshet_ewma({_one(f)}, event_time, {f.window_ms})",
    "trend": lambda f: f"freshet_trend({_one(f)}, event_time, {f.slide_ms}, {f.window_ms})",
    "last_n": lambda f: f"freshet_last_n({_value(f)}, event_time, source_offset, {f.n})",
    "last_n_distinct": lambda f: f"freshet_last_n_distinct({_value(f)}, event_time, source_offset, {f.n})",
    "session_count": lambda f: f"freshet_session_count({_counted(f)}, event_time, {f.window_ms})",
    "session_duration": lambda f: f"freshet_session_duration(event_time, {f.window_ms})",
}


VALUE_TYPES = {
    "count": "Int64",
    "sum": "Float64",
    "ewma": "Float64",
    "trend": "Float64",
    "last_n": "Array(String)",
    "last_n_distinct": "Array(String)",
    "session_count": "Int64",
    "session_duration": "Float64",
}


def expression(feature: Aggregation) -> str:
    """Return the aggregate call of one feature.

    Raises:
        FreshetError: it cannot be computed; the text says why.
    """
    for problem in (*_problems_of_the_name(feature.name), *_problems(feature)):
        raise FreshetError(f"Feature {feature.name}: {problem}.")
    return EXPRESSIONS[feature.function](feature)


def _problems(feature: Aggregation) -> Iterator[str]:
    function, tag = feature.function, f"'{feature.name}"
    if function not in EXPRESSIONS:
        yield f"there is no function {function!r}; choose one of {', '.join(EXPRESSIONS)}"
        return
    if feature.column not in EVENT_COLUMNS:
        yield f"events have no column {feature.column!r}; choose one of {', '.join(EVENT_COLUMNS)}"
    if feature.value_type != VALUE_TYPES[function]:
        yield f"{function} gives {VALUE_TYPES[function]}, and its field is {feature.value_type}"
    yield from _problems_of_time(feature)
    if function == "sum" and feature.column != "value":
        yield "sum adds up the column 'value'; the others hold no amounts"
    if function in LISTS and feature.column in NUMBERS:
        yield f"{function} keeps texts, and {feature.column} is a number"
    if function in LISTS and feature.n < 1:
        yield f"say how many with the tag {tag}.n'"
    if function == "session_duration" and feature.where:
        yield f"a session lasts from its first event to its last, whatever they are; leave out the tag {tag}.where'"


def _problems_of_time(feature: Aggregation) -> Iterator[str]:
    function = feature.function
    if function not in LISTS and feature.window_ms <= 0:
        yield f"{function} needs a time_window"
    if function in ("count", "sum") and (not feature.slide_ms or feature.window_ms % feature.slide_ms):
        yield "its time_window must be a whole number of slide_intervals"
    if function == "trend" and not 0 < feature.slide_ms < feature.window_ms:
        yield "its slide_interval, the short half-life, must be shorter than its time_window, the long one"


def _problems_of_the_name(name: str) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        yield "a name in SQL is made of letters, digits and underscores"
    if name in (*EVENT_COLUMNS, "pt", "version", "as_of"):
        yield "events have a column of that name"


def view_query(view: View, source: str, carried: Sequence[str]) -> str:
    """Return the query that adds the column `<view>`, the packed values of the view, to the rows of `source`.

    `version` counts the events of the key and `as_of` is the latest of their times, so the pair grows with every event
    whatever the order in which they come.

    Raises:
        FreshetError: the view cannot be computed; the text says why.
    """
    _check(view)
    columns = ",\n         ".join(
        f"{expression(feature)} OVER key_so_far AS `{feature.name}`" for feature in view.features
    )
    names = ", ".join(["version", "as_of", *quoted([feature.name for feature in view.features])])
    kept = ", ".join(quoted(carried))
    return f"""SELECT {kept}, pt, freshet_row({names}) AS `{view.name}`
FROM (
  SELECT {kept}, pt,
         COUNT(*) OVER key_so_far AS version,
         MAX(event_time) OVER key_so_far AS as_of,
         {columns}
  FROM {source}
  WINDOW key_so_far AS (
    PARTITION BY {", ".join(quoted(view.keys))} ORDER BY pt ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
)"""


def _check(view: View) -> None:
    for problem in _problems_of_the_name(view.name):
        raise FreshetError(f"View {view.name}: {problem}.")
    for key in view.keys:
        if key not in KEYS:
            raise FreshetError(f"View {view.name}: {key!r} cannot be a key; the keys are made of {', '.join(KEYS)}.")


def chain(views: Sequence[View], source: str) -> list[tuple[str, str]]:
    """Return (name, query) of the steps that add the views one after the other to the rows of `source`."""
    steps, carried, before = [], list(EVENT_COLUMNS), source
    for view in views:
        name = f"with_{view.name}"
        steps.append((name, view_query(view, before, carried)))
        carried, before = [*carried, view.name], name
    return steps


def unique_events(source: str) -> str:
    """Return the query that lets each event id through once, whichever copy comes first."""
    kept = ", ".join(quoted(EVENT_COLUMNS))
    return f"""SELECT {kept}, pt
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY pt) AS copy FROM {source})
WHERE copy = 1"""


def quoted(names: Sequence[str]) -> list[str]:
    """Return the names as SQL identifiers.

    >>> quoted(["value"])
    ['`value`']
    """
    return [f"`{name}`" for name in names]
