"""From views to Flink SQL: what each event brings to each feature.

The SQL half of the features job decides what counts and with which value; the engine in `udfs/java/freshet/features` keeps
the aggregates of each key. Features that ask the same of an event share a column.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from types import MappingProxyType

from freshet.errors import FreshetError
from freshet.udfs.functions import FLOAT, FUNCTIONS
from freshet.udfs.views import Aggregation, View

# What the job reads of each event, with Flink's types. `source_offset` orders the events of one instant; with the partition it
# also tells where on `interactions` the original bytes are.
EVENT_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "event_id": "STRING",
        "subject": "STRING",
        "item_id": "STRING",
        "event_type": "STRING",
        "event_time": "BIGINT",
        "value": "DOUBLE",
        "session_id": "STRING",
        "request_id": "STRING",
        "department": "STRING",
        "category": "STRING",
        "product_type": "STRING",
        "brand": "STRING",
        "source_partition": "INT",
        "source_offset": "BIGINT",
        "context": "MAP<STRING, STRING>",
    }
)

# What the engine is given of each event whatever the views, in this order.
CARRIED = (
    "event_id",
    "subject",
    "event_type",
    "event_time",
    "source_offset",
    "item_id",
    "category",
    "source_partition",
)

ITEM_VECTOR = "ITEM_VECTOR"
"""The function that gives the vector of an item: `ItemVector.java` in Flink, `freshet/archive/dialect.py` in DuckDB."""


def needs_item_vectors(view: View) -> bool:
    """Tell whether the SQL of a view asks for the vectors of items.

    >>> needs_item_vectors(View("v", ("subject",), (), 0, derived=(("taste", "item_vector(item_id)"),)))
    True
    """
    said = [text for _, text in view.derived] + [text for one in view.features for text in (one.where, one.hit)]
    return any(re.search(rf"\b{ITEM_VECTOR}\s*\(", text, re.IGNORECASE) for text in said)


def counted(feature: Aggregation) -> str:
    """Return the condition under which an event counts: the column is there, and the filter holds."""
    there = f"`{feature.column}` IS NOT NULL"
    return f"{there} AND ({feature.where})" if feature.where else there


def brought(feature: Aggregation) -> str:
    """Return the expression of what an event brings to a feature; null when it brings nothing.

    >>> brought(Aggregation("user_spend_sum_24h", "sum", "value", "Float64", where="event_type = 'purchase'"))
    "CASE WHEN `value` IS NOT NULL AND (event_type = 'purchase') THEN CAST(`value` AS DOUBLE) END"
    """
    return f"CASE WHEN {counted(feature)} THEN {_value(feature)} END"


def _value(feature: Aggregation) -> str:
    takes, column = FUNCTIONS[feature.function].takes, feature.column
    if takes == "hit":
        return f"CASE WHEN ({feature.hit}) THEN 1e0 ELSE 0e0 END"
    if takes == "either":
        takes = "number" if feature.value_type == FLOAT else "text"
    if feature.function == "ewma" and EVENT_COLUMNS.get(column, "DOUBLE") == "DOUBLE":
        takes = "number"  # of a number the sum decays, of anything else the count
    values = {"number": f"CAST(`{column}` AS DOUBLE)", "text": f"CAST(`{column}` AS STRING)", "vector": f"`{column}`"}
    return values.get(takes, "1e0")


def brought_columns(views: Sequence[View]) -> dict[str, str]:
    """Return the columns that the engine is given beside `CARRIED`: their names, and the expressions behind them.

    First the texts that keys are made of, then what events bring, under the name of the first feature that asks for it.
    """
    columns = {f"key_{key}": f"CAST(`{key}` AS STRING)" for key in dict.fromkeys(key for v in views for key in v.keys)}
    known: dict[str, str] = {}
    for feature in (feature for view in views for feature in view.features):
        known.setdefault(brought(feature), feature.name)
    return columns | {name: expression for expression, name in known.items()}


def brought_query(views: Sequence[View], source: str) -> str:
    """Return the query of what each event of `source` brings.

    Raises:
        FreshetError: two views derive different columns under one name.
    """
    lines = [*quoted(CARRIED), *(f"{text} AS `{name}`" for name, text in brought_columns(views).items())]
    return "SELECT " + ",\n       ".join(lines) + f"\nFROM {derived_from(views, source)}"


def derived_from(views: Sequence[View], source: str) -> str:
    """Return the source itself, or the query that adds the views' own columns to it."""
    columns: dict[str, str] = {}
    for view in views:
        for name, text in view.derived:
            if columns.setdefault(name, text) != text:
                raise FreshetError(f"View {view.name}: another view derives {name!r} in another way.")
    if not columns:
        return source
    return f"(SELECT *, {', '.join(f'{text} AS `{name}`' for name, text in columns.items())} FROM {source})"


def unique_events(source: str, *more: str) -> str:
    """Return the query that lets each event id through once, whichever copy comes first; with `more` columns beside theirs."""
    kept = ", ".join(quoted((*EVENT_COLUMNS, *more)))
    return f"""SELECT {kept}
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY pt) AS copy FROM {source})
WHERE copy = 1"""


def meaning(view: View, feature: Aggregation) -> tuple[object, ...]:
    """Return all that decides a feature's values: its view and key, its declaration, and the derived columns that it names.

    >>> view = View("v", ("subject",), (), 0, derived=(("spent", "`value` * 2"), ("hour", "event_time / 3600000")))
    >>> meaning(view, Aggregation("f", "sum", "spent", "Float64", window_ms=60_000, slide_ms=60_000))[-1]
    (('spent', '`value` * 2'),)
    """
    said = f"{brought(feature)} {' '.join(view.keys)}"
    named = tuple((name, text) for name, text in view.derived if re.search(rf"\b{name}\b", said))
    return view.name, view.keys, astuple(feature), named


def view_query(view: View) -> str:
    """Return one view's part of the job's query, for people to read."""
    lines = [*quoted(view.keys), *(f"{brought(one)} AS `{one.name}`" for one in view.features)]
    there = " AND ".join(f"`{key}` IS NOT NULL" for key in view.keys)
    return "SELECT " + ",\n       ".join(lines) + f"\nFROM {derived_from([view], 'unique_events')}\nWHERE {there}"


def quoted(names: Sequence[str] | Mapping[str, str]) -> list[str]:
    """Return the names as SQL identifiers.

    >>> quoted(["value"])
    ['`value`']
    """
    return [f"`{name}`" for name in names]
