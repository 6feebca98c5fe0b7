"""The SQL of rules, run by Flink over streams that arrive out of order, tells what the definitions of the patterns say."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from builders import NOON, Record, minutes, seconds
from freshet.udfs.rule_sql import LATENESS, MOMENT, MOMENT_MS, TRIGGERS, event_time, fired, moments, ticking_table
from freshet.udfs.rules import Abandoned, Boost, InARow, Intervene, Often, Pattern, Recall, Rule, milliseconds
from freshet.udfs.view_sql import EVENT_COLUMNS, unique_events

pytestmark = pytest.mark.flink

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
COLUMNS = {**EVENT_COLUMNS, "arrived": "BIGINT"}
KINDS = ("view", "click", "click", "add_to_cart", "purchase")

ROW = InARow(3, within=20 * SECOND, where="event_type = 'click'")
ITEMS = InARow(2, within=5 * SECOND, column="item_id")
OFTEN = Often(3, within=15 * SECOND, where="`value` >= 50 AND context['geo'] = 'north'")
LEFT = Abandoned("add_to_cart", ends=("purchase",), after=8 * SECOND)
BOOST, RECALL, COUPON = Boost(2.5, MINUTE), Recall(MINUTE, "tea"), Intervene("coupon", MINUTE)
RULES = (
    Rule("row", ROW, BOOST),
    Rule("items", ITEMS, RECALL),
    Rule("often", OFTEN, COUPON),
    Rule("left", LEFT, COUPON),
)


class Fired(NamedTuple):
    """A rule that fired: for whom, when, and the event that told it."""

    rule: str
    subject: str
    since: int
    event_id: str


def an_event(number: int, at: int, **changes: Any) -> Record:
    """Return a clean event that arrives the moment it happens."""
    event = dict.fromkeys(EVENT_COLUMNS) | {
        "event_id": f"e-{number}",
        "subject": "ann",
        "item_id": f"item-{number}",
        "event_type": "click",
        "event_time": at,
        "category": "tea",
        "source_offset": number,
        "context": {"geo": "north"},
    }
    return event | {"arrived": at} | changes


def a_crowd(seed: int, count: int = 400) -> list[Record]:
    """Return events of a few users in bursts, many at one instant or just as far apart as a rule allows."""
    seeded = random.Random(seed)
    times = sorted(NOON + 500 * round(burst + seeded.expovariate(0.1)) for burst in range(0, count, 2) for _ in (0, 1))
    return [
        an_event(
            number,
            at,
            subject=f"user-{seeded.randrange(4)}",
            event_type=seeded.choice(KINDS),
            category=seeded.choice(("tea", "tea", "bread", None)),
            item_id=f"item-{seeded.randrange(3)}",
            value=seeded.choice((None, 20.0, 50.0, 80.0)),
            context={"geo": seeded.choice(("north", "north", "south"))},
        )
        for number, at in enumerate(times)
    ]


def shuffled(events: list[Record], seed: int) -> list[Record]:
    """Return the events as they may arrive: each less than the allowed lateness after it happened, some of them twice."""
    seeded, late = random.Random(seed), milliseconds(LATENESS)
    arriving = [event | {"arrived": event["event_time"] + seeded.randrange(late)} for event in events]
    copies = [event | {"arrived": event["event_time"] + late - 1} for event in seeded.sample(events, len(events) // 10)]
    return sorted([*arriving, *copies], key=lambda event: event["arrived"])


def told_by_flink(
    local: Any, events: Sequence[Record], rules: Sequence[Rule] = RULES, *, ticking: bool = False
) -> list[dict[str, Any]]:
    """Run the rules as their job does, on a stream that ends; only ticks, which say another time, are as a rule left out."""
    rows = [[event[name] for name in COLUMNS] for event in events]
    local.table("events", COLUMNS, rows, files=1, computed=["pt AS PROCTIME()", *event_time("arrived")])
    local.env.execute_sql(ticking_table("ticks", ticks=1))
    local.view("moments", moments("events", "ticks") if ticking else unique_events("events", MOMENT, MOMENT_MS))
    return [dict(zip(TRIGGERS, row, strict=True)) for row in local.rows(f"SELECT * FROM ({fired(rules)})")]


def by_flink(
    flink: Callable[..., Any], events: Sequence[Record], rules: Sequence[Rule] = RULES, parallelism: str = "2"
) -> list[Fired]:
    options = {"parallelism.default": parallelism, "pipeline.auto-watermark-interval": "1 ms"}
    told = told_by_flink(flink(options), events, rules)
    return sorted(Fired(one["rule"], one["subject"], one["since"], one["event_id"]) for one in told)


# ---- The definitions: slow, and over all events at once -------------------------------------------------------------


def by_definition(events: Sequence[Record], rules: Sequence[Rule] = RULES) -> list[Fired]:
    """Return what the rules must tell."""
    happened: dict[str, list[Record]] = defaultdict(list)
    for event in {event["event_id"]: event for event in events}.values():
        happened[event["subject"]].append(event)
    return sorted(
        Fired(rule.name, subject, since, event["event_id"])
        for subject, own in happened.items()
        for rule in rules
        for event, since in completed(rule, sorted(own, key=lambda one: (one["event_time"], one["source_offset"])))
    )


def completed(rule: Rule, ordered: list[Record]) -> Iterator[tuple[Record, int]]:
    """Yield the event that completes a pattern each time, and when."""
    pattern = rule.pattern
    if isinstance(pattern, Abandoned):
        yield from left_alone(pattern, ordered)
        return
    counting = [event for event in ordered if counts(pattern, event)]
    at = 0
    while at + pattern.count <= len(counting):
        run = counting[at : at + pattern.count]
        same = isinstance(pattern, Often) or len({event[pattern.column] for event in run}) == 1
        if same and run[-1]["event_time"] - run[0]["event_time"] < milliseconds(pattern.within):
            yield run[-1], run[-1]["event_time"]
            at += pattern.count
        else:
            at += 1


def counts(pattern: Pattern, event: Record) -> bool:
    """Tell whether a pattern looks at an event: its condition, in Python."""
    if pattern is ROW:
        return bool(event["event_type"] == "click" and event["category"])
    if pattern is OFTEN:
        return bool((event["value"] or 0) >= 50 and event["context"]["geo"] == "north")
    return event["item_id"] is not None


def left_alone(pattern: Abandoned, ordered: list[Record]) -> Iterator[tuple[Record, int]]:
    after = milliseconds(pattern.after)
    touching = [event for event in ordered if event["event_type"] in (pattern.start, *pattern.ends)]
    for place, event in enumerate(touching):
        following = touching[place + 1 : place + 2]
        alone = not following or following[0]["event_time"] - event["event_time"] > after
        if alone and event["event_type"] == pattern.start:
            yield event, event["event_time"] + after


# ---- The two together -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_flink_tells_what_the_definitions_say_of_events_in_any_order(flink: Callable[..., Any], seed: int) -> None:
    events = a_crowd(seed)
    right = by_definition(events)
    assert {one.rule for one in right} == {rule.name for rule in RULES}
    assert by_flink(flink, shuffled(events, seed)) == right


def test_a_trigger_says_what_is_to_be_done_and_until_when(flink: Callable[..., Any]) -> None:
    events = [
        an_event(n, NOON + seconds(n), value=60.0, event_type="click" if n < 3 else "add_to_cart") for n in range(4)
    ]
    told = {one["rule"]: one for one in told_by_flink(flink({}), events, ticking=True)}
    acts = {name: (one["action"], one["target"], one["factor"], one["intervention"]) for name, one in told.items()}
    assert acts == {
        "row": ("boost", "tea", 2.5, None),
        "often": ("intervene", None, None, "coupon"),
        "left": ("intervene", None, None, "coupon"),
    }
    assert (told["row"]["since"], told["row"]["until"]) == (NOON + seconds(2), NOON + seconds(62))
    assert (told["left"]["since"], told["left"]["until"]) == (NOON + seconds(11), NOON + seconds(71))
    assert (told["left"]["event_time"], told["left"]["item_id"]) == (NOON + seconds(3), "item-3")


def test_an_event_that_is_too_late_takes_no_part(flink: Callable[..., Any]) -> None:
    """And neither holds up nor repeats what the others tell."""
    clicks = [an_event(n, NOON + seconds(n)) for n in range(3)]
    later = [an_event(n, NOON + minutes(n)) for n in range(5, 15)]
    late = [an_event(20 + n, NOON + seconds(3 + n), arrived=NOON + minutes(20)) for n in range(3)]
    events = [*clicks, *later, *late]
    assert by_flink(flink, events, RULES[:1], parallelism="1") == [Fired("row", "ann", NOON + seconds(2), "e-2")]


def test_a_clock_that_is_ahead_makes_nobody_else_late(flink: Callable[..., Any]) -> None:
    """Its events count as of their arrival."""
    ahead = [an_event(9, NOON + minutes(4), subject="bob", arrived=NOON)]
    clicks = [an_event(n, NOON + seconds(1 + n)) for n in range(3)]
    events = [*ahead, *clicks]
    assert by_flink(flink, events, RULES[:1], parallelism="1") == [Fired("row", "ann", NOON + seconds(3), "e-2")]


def test_events_that_lie_far_enough_apart_are_not_a_match(flink: Callable[..., Any]) -> None:
    """`within` is the length that they must not reach; `after` is one that must be passed."""
    within, after = milliseconds(ROW.within), milliseconds(LEFT.after)
    clicks = [an_event(n, NOON + n * within // 2) for n in range(3)]
    carts = [
        an_event(10 + n, NOON + n * after, event_type=kind, category="bread")
        for n, kind in enumerate(("add_to_cart", "add_to_cart", "purchase"))
    ]
    events = sorted([*clicks, *carts], key=lambda event: event["event_time"])
    assert by_flink(flink, events, (RULES[0], RULES[3])) == []
    assert by_definition(events, (RULES[0], RULES[3])) == []
