"""From rules to Flink SQL: which events complete a pattern, and what the rule then tells.

Events stand in the order of event time; what the watermark has passed can change nothing any more (docs/adr/0012).
"""

from collections.abc import Sequence
from datetime import timedelta

from freshet.udfs.rules import Abandoned, Boost, InARow, Intervene, Often, Rule, kind_of, milliseconds
from freshet.udfs.triggers import Cause
from freshet.udfs.view_sql import EVENT_COLUMNS, quoted, unique_events

MOMENT, MOMENT_MS = "moment", "moment_ms"
"""The event-time attribute, and the same in milliseconds: when it happened, and never after it arrived."""

TRIGGERS = (*Cause._fields, "since", "until", "rule", "action", "target", "factor", "intervention")
"""The columns of a rule's query; `target` is the category to act on."""

TOLD = tuple(name for name in Cause._fields if name != "subject")

LATENESS = timedelta(milliseconds=500)
"""An event that comes later than this behind the newest one of its partition takes no part in rules."""

SILENCE = timedelta(seconds=5)
"""So far behind the clock is the time of a stream in which nothing happens: events may be held up, as by a restart."""

EVENTS_OWN = "category"

TICK = {"STRING": "CAST(tick AS STRING)", "MAP<STRING, STRING>": "MAP['tick', CAST(tick AS STRING)]"}


def event_time(arrived_ms: str) -> list[str]:
    """Return the columns and the watermark of events, as DDL; `arrived_ms` is the expression of when one was written.

    A clock that is ahead says no more than that its event happened by the time it arrived: else one such event would make
    those of all other users late.
    """
    happened = f"LEAST(event_time, {arrived_ms})"
    return [
        f"{MOMENT_MS} AS {happened}",
        f"{MOMENT} AS TO_TIMESTAMP_LTZ({happened}, 3)",
        f"WATERMARK FOR {MOMENT} AS {MOMENT} - {_interval(LATENESS)}",
    ]


def ticking_table(name: str, *, ticks: int | None = None) -> str:
    """Return the DDL of a table that tells the time by its watermark; after so many `ticks` it ends, if they are given."""
    end = f", 'number-of-rows' = '{ticks}'" if ticks else ""
    return f"""CREATE TEMPORARY TABLE {name} (
  tick BIGINT, {MOMENT} AS CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(3)),
  WATERMARK FOR {MOMENT} AS {MOMENT} - {_interval(SILENCE)}
) WITH (
  'connector' = 'datagen', 'rows-per-second' = '10', 'fields.tick.min' = '0', 'fields.tick.max' = '1'{end}
)"""


def moments(events: str, ticks: str) -> str:
    """Return the query of all events in event time, each id once, in which time goes on when nothing happens.

    No row of `ticks` passes, but its watermark does when `events` is idle. Its columns come from the row itself: a planner
    that saw that none can match a rule would leave the table out.
    """
    columns = [f"{TICK.get(kind, f'CAST(tick AS {kind})')} AS `{name}`" for name, kind in EVENT_COLUMNS.items()]
    return f"""{unique_events(events, MOMENT, MOMENT_MS)}
UNION ALL
SELECT {", ".join(columns)}, {MOMENT}, tick AS {MOMENT_MS}
FROM {ticks} WHERE tick < 0"""


def rule_query(rule: Rule, source: str = "moments") -> str:
    """Return the query of what a rule tells, `TRIGGERS`, over the events of `source`."""
    pattern = rule.pattern
    if isinstance(pattern, InARow):
        matches = _in_a_row(pattern, source)
    elif isinstance(pattern, Often):
        matches = _often(pattern, source)
    else:
        matches = _abandoned(pattern, source)
    columns = [*quoted((*Cause._fields, "since")), *(f"{text} AS `{name}`" for name, text in _tells(rule).items())]
    known = "\nWHERE category IS NOT NULL" if target_of(rule) == EVENTS_OWN else ""
    return "SELECT " + ",\n       ".join(columns) + f"\nFROM ({matches}){known}"


def fired(rules: Sequence[Rule], source: str = "moments") -> str:
    """Return the query of what all rules tell."""
    return "\nUNION ALL\n".join(rule_query(rule, source) for rule in rules)


def _tells(rule: Rule) -> dict[str, str]:
    action = rule.action
    return {
        "until": f"since + {milliseconds(action.lasts)}",
        "rule": _text(rule.name),
        "action": _text(kind_of(action)),
        "target": target_of(rule),
        "factor": f"CAST({action.factor if isinstance(action, Boost) else 'NULL'} AS DOUBLE)",
        "intervention": f"CAST({_text(action.name) if isinstance(action, Intervene) else 'NULL'} AS STRING)",
    }


def target_of(rule: Rule) -> str:
    """Return the expression of the category that a rule acts on."""
    if isinstance(rule.action, Intervene):
        return "CAST(NULL AS STRING)"
    return EVENTS_OWN if rule.action.category is None else _text(rule.action.category)


def _in_a_row(pattern: InARow, source: str) -> str:
    where = f"`{pattern.column}` IS NOT NULL" + (f" AND ({pattern.where})" if pattern.where else "")
    again = pattern.count - 1
    return f"""SELECT * FROM (SELECT * FROM {source} WHERE {where})
{_match("AGAIN", f"ONCE AGAIN{{{again}}}", pattern.within)}
  DEFINE AGAIN AS AGAIN.`{pattern.column}` = ONCE.`{pattern.column}`)"""


def _often(pattern: Often, source: str) -> str:
    return f"""SELECT * FROM (SELECT * FROM {source} WHERE ({pattern.where}))
{_match("HIT", f"HIT{{{pattern.count}}}", pattern.within)}
  DEFINE HIT AS HIT.subject IS NOT NULL)"""


def _match(last: str, pattern: str, within: timedelta) -> str:
    """Return the head of a match, which ends with `DEFINE`; without it any event would match any variable."""
    measures = [f"LAST({last}.{name}) AS {name}" for name in TOLD]
    return f"""MATCH_RECOGNIZE (
  PARTITION BY subject ORDER BY {MOMENT}, source_offset
  MEASURES {", ".join(measures)}, LAST({last}.{MOMENT_MS}) AS since
  ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
  PATTERN ({pattern}) WITHIN {_interval(within)}"""


def _abandoned(pattern: Abandoned, source: str) -> str:
    """Return the query of the last events of sessions that end with an event of the starting type.

    A session of the starting and ending events is over when none came for `after`: then, and not before, its window's
    rows come out. MATCH_RECOGNIZE could tell only with the user's next event.
    """
    types = ", ".join(_text(one) for one in (pattern.start, *pattern.ends))
    return f"""SELECT subject, {", ".join(TOLD)}, {MOMENT_MS} + {milliseconds(pattern.after)} AS since FROM (
  SELECT *, ROW_NUMBER() OVER (
    PARTITION BY subject, window_start, window_end ORDER BY {MOMENT} DESC, source_offset DESC) AS place
  FROM TABLE(SESSION(
    DATA => (SELECT * FROM {source} WHERE event_type IN ({types})) PARTITION BY subject,
    TIMECOL => DESCRIPTOR({MOMENT}), GAP => {_interval(pattern.after)})))
WHERE place = 1 AND event_type = {_text(pattern.start)}"""


def _interval(span: timedelta) -> str:
    """Return a span as SQL writes it; Flink takes no more than three digits of any unit.

    >>> _interval(timedelta(days=1, minutes=90, milliseconds=5))
    "INTERVAL '1 01:30:00.005' DAY TO SECOND(3)"
    """
    minutes, ms = divmod(milliseconds(span) % 86_400_000, 60_000)
    clock = f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}.{ms % 1000:03}"
    return f"INTERVAL '{span.days} {clock}' DAY TO SECOND(3)"


def _text(value: str) -> str:
    """Return a text as SQL writes it.

    >>> _text("kids' books")
    "'kids'' books'"
    """
    return "'" + value.replace("'", "''") + "'"
