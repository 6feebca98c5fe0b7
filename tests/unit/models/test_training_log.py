"""Training on the archive: each example is what a reader of the online store would have read, by the shop's own views."""

import tempfile
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import NOON, minutes, the_shops_views
from freshet.archive.read import connect
from freshet.archive.training_log import read_log
from freshet.archive.write import SCHEMA, Files, Filling
from freshet.errors import FreshetError
from freshet.history import training_set
from freshet.models import features
from freshet.models.dataset import Split, build_vocabulary, outcome_counts, to_events, to_visits
from freshet.models.examples import Examples, Moment, Questions, Walk, ask
from freshet.models.preparation import horizon_of
from freshet.models.vocabulary import Vocabulary

CATEGORY = {"a": "bread", "b": "bread", "c": "milk", None: None}
TYPES = ("view", "click", "add_to_cart", "purchase", "search")
HORIZON = features.SESSION_GAP_MS
FAR = 10**15

Step = tuple[str, int, str, str | None]

steps = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2"]),
        st.one_of(st.integers(0, 90), st.integers(0, 3000)),
        st.sampled_from(TYPES),
        st.sampled_from(["a", "b", "c", None]),
    ),
    min_size=2,
    max_size=30,
)


def archived(steps: list[Step], folder: str) -> str:
    """Write an archive of (user, minute, event type, item), in this order of arrival."""
    filling = Filling(partition=0, block=0)
    for offset, (user, minute, kind, item) in enumerate(steps):
        event: dict[str, Any] = dict.fromkeys(SCHEMA.names)
        event |= {"event_id": f"e{offset}", "subject": user, "event_type": kind, "item_id": item, "context": {}}
        event |= {"event_time": NOON + minutes(minute), "category": CATEGORY[item], "department": "GROCERY"}
        event |= {"value": 2.5 if kind == "purchase" else 7.0, "source_partition": 0, "source_offset": offset}
        filling.add(event, offset)
    filling.write(Files(folder))
    return folder


def a_vocabulary() -> Vocabulary:
    return Vocabulary(("a", "b", "c"), ("bread", "milk"), np.array([0, 1, 1, 2], np.int32))


def examples_of(log: pd.DataFrame) -> tuple[Questions, list[Examples]]:
    """Every event with something to foresee, read at the one before it, with all items as candidates."""
    events = to_events(log, a_vocabulary())
    visits = to_visits(events)
    walk = Walk(events, visits, 2, a_vocabulary().item_category)
    asked = ask(visits, -FAR, FAR, Moment.LAST_EVENT, HORIZON)
    answered = [
        (position, one)
        for position in range(len(asked))
        for one in walk.answer(asked.take(np.array([position])), lambda *_: np.array([1, 2, 3]), 1)
    ]
    return asked.take(np.array([position for position, _ in answered], np.int64)), [one for _, one in answered]


SESSION_KEPT_BY_A_CART: list[Step] = [
    ("u1", 0, "view", "a"),
    ("u1", 1, "add_to_cart", "a"),
    ("u1", 30, "view", "a"),
    ("u1", 31, "click", "b"),
]
"""The views are a gap apart, but an event between them, which is no page view, keeps the session alive."""


@settings(max_examples=20)
@given(steps)
@example(SESSION_KEPT_BY_A_CART)
def test_an_example_is_what_a_reader_of_the_store_would_have_read(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = read_log(archived(steps, folder))
        asked, examples = examples_of(log)
        users = np.unique(log["user"].to_numpy(str))
        rows = pd.DataFrame(
            {
                "subject": np.repeat(users[asked.user], 3),
                "event_timestamp": pd.to_datetime(np.repeat(asked.as_of, 3), unit="ms", utc=True),
                "item_id": ["a", "b", "c"] * len(asked),
            }
        )
        rows["category"] = rows["item_id"].map(CATEGORY)
        views = [view for view in the_shops_views() if view.name in VIEWS]
        stored = training_set(connect(folder), views, rows).to_dict("records")
    for position, one in enumerate(examples):
        compare(one, stored[3 * position : 3 * position + 3])


VIEWS = ("user_activity", "user_category_affinity", "item_popularity")


def compare(one: Examples, stored: list[dict[Hashable, Any]]) -> None:
    user = features.user_features([features.user_row({str(name): value for name, value in stored[0].items()})])
    assert np.allclose(one.user_features, user, rtol=1e-5, atol=1e-6)
    known = [a_vocabulary().index_of[item] for item in stored[0]["user_items_last_20"] or []]
    assert one.recent_items[0].tolist() == features.recent_items(known).tolist()
    raw = [[row[source.feature] or 0.0 for row in stored] for source in features.CANDIDATE_SOURCES]
    assert np.allclose(one.candidate_features[0], features.candidate_features(*raw), rtol=1e-5, atol=1e-6)


@given(steps)
def test_the_answer_is_what_is_bought_and_clicked_until_a_session_would_be_over(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = read_log(archived(steps, folder))
    asked, examples = examples_of(log)
    users = np.unique(log["user"].to_numpy(str))
    events = to_events(log, a_vocabulary())
    for position, one in enumerate(examples):
        mine = log[log["user"] == users[asked.user[position]]]
        begins = events.at[asked.known[position]]
        ahead = mine[(mine["at"] >= begins) & (mine["at"] <= begins + HORIZON)]
        recent = {a_vocabulary().item(index) for index in one.recent_items[0] if index}
        bought = set(ahead[ahead["type"] == "purchase"]["item"].dropna()) - recent
        clicked = set(ahead[ahead["type"] == "click"]["item"].dropna()) - recent
        assert one.bought[0].tolist() == [item in bought for item in "abc"]
        assert one.clicked[0].tolist() == [item in clicked for item in "abc"]
        assert one.to_find[0] == len(bought | clicked)


def test_an_answer_ends_where_the_period_does() -> None:
    with tempfile.TemporaryDirectory() as folder:
        steps: list[Step] = [("u1", 0, "view", "a"), ("u1", 1, "click", "b"), ("u1", 2, "purchase", "c")]
        events = to_events(read_log(archived(steps, folder)), a_vocabulary())
    whole = ask(to_visits(events), -FAR, FAR, Moment.LAST_EVENT, HORIZON)
    cut = ask(to_visits(events), -FAR, NOON + minutes(2), Moment.LAST_EVENT, HORIZON)
    assert whole.visit_end.tolist() == [3, 3]
    assert cut.visit_end.tolist() == [2]


def test_the_vocabulary_of_an_archive_is_what_was_bought_or_clicked(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("u1", 0, "view", "a"),
        ("u1", 1, "click", "b"),
        ("u1", 2, "purchase", "c"),
        ("u1", 3, "search", None),
    ]
    log = read_log(archived(steps, str(tmp_path)))
    assert build_vocabulary(log, 1).items == ("b", "c")
    assert outcome_counts(log) == {"purchase": 1, "click": 1}
    assert horizon_of(log) == HORIZON
    assert horizon_of(log[log["type"] == "purchase"]) == 0


def test_a_logs_own_days_part_it(tmp_path: Path) -> None:
    steps: list[Step] = [("u1", day * 24 * 60, "click", "a") for day in range(20)]
    split = Split.of(read_log(archived(steps, str(tmp_path))))
    split.check()
    assert ((split.until - split.test).days, (split.test - split.validation).days) == (2, 2)
    assert (split.until - split.since).days == 20


def test_a_log_of_two_days_is_too_short_to_be_parted(tmp_path: Path) -> None:
    steps: list[Step] = [("u1", day * 24 * 60, "click", "a") for day in range(2)]
    with pytest.raises(FreshetError, match="spans 2 of the three days"):
        Split.of(read_log(archived(steps, str(tmp_path))))


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FreshetError, match="holds no event yet"):
        read_log(str(tmp_path))
