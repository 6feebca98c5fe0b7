"""Rules as they are declared, stored and compiled: the shop's SQL, and one clear sentence for each that cannot be."""

import io
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import fastavro
import pytest

from builders import NOON, the_shops_rules, the_shops_views
from freshet.errors import FreshetError
from freshet.schemas.avro import Decoder, Encoder, frame, parse, schema_text
from freshet.schemas.topics import FEATURE_UPDATES
from freshet.udfs.rule_checks import check, event_types, problems
from freshet.udfs.rule_sql import fired, moments, rule_query
from freshet.udfs.rules import Abandoned, Boost, InARow, Intervene, Often, Recall, Rule, digest_of, from_json, to_json
from freshet.udfs.triggers import Cause, Trigger, announcement, trigger_of

GOLDEN = Path(__file__).with_name("golden") / "shop_rules.sql"

MINUTE = timedelta(minutes=1)
CLICKS = InARow(3, within=10 * MINUTE, where="event_type = 'click'")
SPENDS = Often(3, within=10 * MINUTE, where="`value` >= 50")
CARTS = Abandoned("add_to_cart", ends=("purchase",), after=20 * MINUTE)
BOOST = Boost(2, lasts=30 * MINUTE)
COUPON = Intervene("coupon", lasts=30 * MINUTE)


def a_rule(pattern: Any = CLICKS, action: Any = BOOST, name: str = "interest") -> Rule:
    return Rule(name, pattern, action)


# ---- The shop's -----------------------------------------------------------------------------------------------------


def test_the_sql_of_the_shops_rules_is_the_golden_one() -> None:
    """What completes a pattern is decided here; a change of this file is a change of rules."""
    sql = f"-- moments\n{moments('events', 'ticks')};\n\n-- fired\n{fired(the_shops_rules())};\n"
    assert sql == GOLDEN.read_text("utf-8")


def test_the_shops_rules_can_be_compiled_and_show_each_pattern_and_each_action() -> None:
    rules = the_shops_rules()
    check(rules, [view.name for view in the_shops_views()])
    assert {type(rule.pattern) for rule in rules} == {InARow, Often, Abandoned}
    assert {type(rule.action) for rule in rules} == {Boost, Recall, Intervene}


# ---- Stored ---------------------------------------------------------------------------------------------------------


def test_stored_rules_are_read_back_in_the_order_of_their_names() -> None:
    rules = [a_rule(SPENDS, Recall(MINUTE, "TEA"), "b"), a_rule(CARTS, COUPON, "c"), a_rule(name="a")]
    assert from_json(to_json(rules)) == [rules[2], rules[0], rules[1]]


def test_a_digest_changes_with_the_rules_and_not_with_their_order() -> None:
    one, other = a_rule(name="a"), a_rule(name="b")
    assert digest_of([one, other]) == digest_of([other, one])
    assert digest_of([one]) != digest_of([a_rule(action=Boost(3, lasts=30 * MINUTE), name="a")])


@pytest.mark.parametrize("text", ["", "{}x", '[{"name": "a"}]', '[{"name": "a", "pattern": {"kind": "seldom"}}]'])
def test_a_file_of_something_else_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_json(text)


# ---- What is wrong --------------------------------------------------------------------------------------------------

BAD = {
    "a pattern is of two events or more, not 1": a_rule(InARow(1, within=MINUTE)),
    "a pattern is of two events or more, not 2.5": a_rule(Often(2.5, MINUTE, "`value` > 1")),  # type: ignore[arg-type]
    "`within` is a timedelta of a millisecond or more, not datetime.timedelta(0)": a_rule(InARow(2, timedelta(0))),
    "`within` is a timedelta of a millisecond or more, not 600": a_rule(InARow(2, 600)),  # type: ignore[arg-type]
    "`within` is 8 days, and a pattern waits for 7 at most": a_rule(InARow(2, timedelta(days=8))),
    "`after` is a timedelta of a millisecond or more, not None": a_rule(Abandoned("click", ("like",), None)),  # type: ignore[arg-type]
    "events have no column 'colour'; choose one of event_id": a_rule(InARow(2, MINUTE, column="colour")),
    "events have no column 'context'; choose one of event_id": a_rule(InARow(2, MINUTE, column="context")),
    "events have no column 'valu'; choose one of event_id": a_rule(Often(2, MINUTE, where="valu >= 50")),
    "its condition '`value` >' cannot be read: Parser Error": a_rule(Often(2, MINUTE, where="`value` >")),
    "'`value` + 1' is no condition but of type DOUBLE": a_rule(InARow(2, MINUTE, where="`value` + 1")),
    "value is a word of SQL; write the column as `value`": a_rule(Often(2, MINUTE, where="value >= 50")),
    "say with `where` which events count": a_rule(Often(2, MINUTE, where="")),
    "there is no event type 'cart'; choose one of impression": a_rule(Abandoned("cart", ("purchase",), MINUTE)),
    "there is no event type 'buy'; choose one of impression": a_rule(Abandoned("add_to_cart", ("buy",), MINUTE)),
    "say with `ends` which events end it": a_rule(Abandoned("add_to_cart", (), MINUTE)),
    "purchase cannot both start and end it": a_rule(Abandoned("purchase", ("purchase",), MINUTE)),
    "'often' is no pattern; choose InARow, Often or Abandoned": a_rule("often"),
    "'boost' is no action; choose Boost, Recall or Intervene": a_rule(action="boost"),
    "a factor of 1 boosts nothing": a_rule(action=Boost(1, MINUTE)),
    "a factor of 0 boosts nothing": a_rule(action=Boost(0, MINUTE)),
    "a factor of -2 boosts nothing": a_rule(action=Boost(-2, MINUTE)),
    "a factor of inf boosts nothing": a_rule(action=Boost(math.inf, MINUTE)),
    "`lasts` is a timedelta of a millisecond or more, not None": a_rule(action=Recall(None)),  # type: ignore[arg-type]
    "its category is empty; leave it out": a_rule(action=Recall(MINUTE, category="")),
    "'A coupon' is no name of an intervention": a_rule(action=Intervene("A coupon", MINUTE)),
    "'Interest' is no name; use small letters": a_rule(name="Interest"),
    "'with space' is no name; use small letters": a_rule(name="with space"),
    "a view has that name": a_rule(name="user_activity"),
}


@pytest.mark.parametrize(("problem", "rule"), BAD.items(), ids=BAD)
def test_what_is_wrong_is_said_in_a_sentence_that_names_the_rule(problem: str, rule: Rule) -> None:
    [found] = problems([rule], ["user_activity"])
    assert found.startswith(f"Rule {rule.name}: {problem}")


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(FreshetError, match="Two rules have the name 'interest'"):
        check([a_rule(), a_rule(SPENDS)])


@pytest.mark.parametrize("where", ["context['geo'] = 'north'", "REGEXP(item_id, 'a+')", "brand = 'value'", "TRUE"])
def test_conditions_that_only_flink_can_judge_are_left_to_it(where: str) -> None:
    assert list(problems([a_rule(Often(2, MINUTE, where))])) == []


def test_the_types_of_events_are_those_of_the_contract() -> None:
    assert {"view", "click", "add_to_cart", "purchase"} < set(event_types())
    assert "UNKNOWN" not in event_types()


# ---- Compiled -------------------------------------------------------------------------------------------------------


def test_a_category_of_the_rules_own_is_written_as_sql_writes_texts() -> None:
    assert "'kids'' books' AS `target`" in rule_query(a_rule(action=Recall(MINUTE, "kids' books")))


def test_an_event_without_a_category_triggers_nothing_that_needs_one() -> None:
    needs, has, none = (a_rule(SPENDS, action) for action in (BOOST, Boost(2, MINUTE, "TEA"), COUPON))
    assert [rule_query(rule).endswith("WHERE category IS NOT NULL") for rule in (needs, has, none)] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("pattern", [CLICKS, SPENDS, CARTS], ids=["in a row", "often", "abandoned"])
def test_every_pattern_is_bounded_in_time_so_that_its_state_is(pattern: Any) -> None:
    query = rule_query(a_rule(pattern))
    assert ("WITHIN INTERVAL '0 00:10:00.000'" in query) != ("GAP => INTERVAL '0 00:20:00.000'" in query)


def test_ticks_keep_their_place_in_the_plan() -> None:
    """No column of theirs is a constant, from which a planner could tell that no rule looks at them."""
    _, _, ticks = moments("events", "ticks").partition("UNION ALL")
    columns = ticks[: ticks.index("FROM")].replace("SELECT", "").split(", ")
    assert [one for one in columns if "tick" not in one and one.strip() != "moment"] == []


# ---- Announced ------------------------------------------------------------------------------------------------------

CAUSE = Cause("ann", "e1", "add_to_cart", NOON, "i1", "TEA")
TRIGGER = Trigger(NOON + 5, NOON + 10, "cart_abandoned", "intervene", None, "i1", None, "coupon")


def test_a_trigger_is_read_back_from_its_announcement() -> None:
    payload = Encoder(FEATURE_UPDATES, 7)(announcement(CAUSE, TRIGGER, NOON + 6))
    record = Decoder(FEATURE_UPDATES, {7: schema_text(FEATURE_UPDATES)}.__getitem__)(payload)
    assert trigger_of(record) == TRIGGER
    assert {name: record[name] for name in Cause._fields} == CAUSE._asdict()
    assert (record["as_of"], record["version"], record["views"]) == (NOON, 0, [])


def test_an_announcement_of_the_last_release_has_no_trigger() -> None:
    released = (Path(__file__).parents[1] / "schemas" / "baseline" / "feature-updates.avsc").read_text("utf-8")
    record = {name: value for name, value in announcement(CAUSE, TRIGGER, NOON).items() if name != "trigger"}
    payload = written_as(released, record)
    assert trigger_of(Decoder(FEATURE_UPDATES, {7: released}.__getitem__)(payload)) is None


def written_as(text: str, record: dict[str, Any]) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, parse(text), record)
    return frame(7, body.getvalue())
