"""A training set is what the engine would have written and a reader read: the same instants, the same values."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders import NOON, hours, minutes, seconds
from freshet.archive.blocks import file_of
from freshet.archive.read import connect
from freshet.archive.write import SCHEMA, Files, Filling
from freshet.errors import FreshetError
from freshet.history import History, training_set
from freshet.udfs.views import Aggregation, View

VIEW = View(
    "user_activity",
    ("subject",),
    (
        Aggregation("clicks_1h", "count", "event_id", "Int64", hours(1), minutes(5), where="event_type = 'click'"),
        Aggregation("spend_ewma_1h", "ewma", "value", "Float64", hours(1)),
        Aggregation("items_last_2", "last_n", "item_id", "Array(String)", n=2),
        Aggregation("since", "since_last", "event_id", "Float64"),
    ),
    0,
)


def an_event(number: int, at: int, **changes: Any) -> dict[str, Any]:
    event = dict.fromkeys(SCHEMA.names)
    event |= {
        "event_id": f"e{number}",
        "subject": "u1",
        "event_type": "click",
        "event_time": at,
        "item_id": f"i{number}",
    }
    return event | {"source_partition": 0, "source_offset": number, "context": {"geo": "north"}} | changes


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    filling = Filling(partition=0, block=0)
    events = [
        an_event(1, NOON),
        an_event(2, NOON + minutes(10), value=8.0),
        an_event(3, NOON + minutes(10), event_type="view", item_id=None),
        an_event(2, NOON + minutes(10), value=8.0),  # sent twice
        an_event(4, NOON + minutes(30), subject="u2"),
    ]
    for offset, event in enumerate(events):
        filling.add(event, offset)
    filling.write(Files(str(tmp_path)))
    return connect(str(tmp_path))


def at(archive: Any, *instants: int, subject: str = "u1") -> list[list[Any]]:
    rows = pd.DataFrame({"subject": subject, "event_timestamp": pd.to_datetime(list(instants), unit="ms", utc=True)})
    found = training_set(archive, [VIEW], rows)
    return [[row[feature.name] for feature in VIEW.features] for row in found.to_dict("records")]


def test_only_what_had_happened_counts(archive: Any) -> None:
    before, first, second = at(archive, NOON - 1, NOON, NOON + minutes(10))
    assert before == [None, None, None, None]
    assert first == [1, 0.0, ["i1"], 0.0]
    assert second == [2, 8.0, ["i2", "i1"], 0.0]


def test_rows_may_come_in_any_order(archive: Any) -> None:
    instants = [NOON + minutes(10), NOON, NOON + minutes(20), NOON - 1]
    assert at(archive, *instants) == [at(archive, instant)[0] for instant in instants]


def test_time_goes_on_after_the_last_event(archive: Any) -> None:
    """The window keeps the value that was written last; once it is over, it is empty; decay and age go on."""
    [half, over] = at(archive, NOON + minutes(40), NOON + hours(3))
    assert half == [2, pytest.approx(8.0 * 2**-0.5), ["i2", "i1"], 1800.0]
    assert over == [0, pytest.approx(8.0 * 2 ** -(170 / 60)), ["i2", "i1"], 170 * 60.0]


def test_the_values_of_an_instant_itself_are_another_thing_than_what_a_reader_finds(archive: Any) -> None:
    """A window that has passed in part: nobody has written it, but its value follows."""
    rows = pd.DataFrame({"subject": "u1", "event_timestamp": pd.to_datetime([NOON + minutes(62)], unit="ms", utc=True)})
    [row] = training_set(archive, [VIEW], rows, take=History.at).to_dict("records")
    assert (at(archive, NOON + minutes(62))[0][0], row["clicks_1h"]) == (2, 1)
    assert (row["items_last_2"], row["since"]) == (["i2", "i1"], 52 * 60.0)


def test_an_entity_that_never_was_is_nothing(archive: Any) -> None:
    assert at(archive, NOON, subject="nobody") == [[None] * 4]


def test_rows_keep_their_other_columns(archive: Any) -> None:
    rows = pd.DataFrame({"subject": ["u1"], "label": [1], "event_timestamp": [pd.Timestamp(NOON, unit="ms", tz="UTC")]})
    assert list(training_set(archive, [VIEW], rows).columns[:3]) == ["subject", "label", "event_timestamp"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"subject": ["u1"]}, "The rows have no column event_timestamp."),
        (
            {"event_timestamp": ["2018-01-01"], "item": ["i"]},
            "No view has its keys among the columns event_timestamp, item.",
        ),
    ],
)
def test_rows_that_cannot_be_joined_are_refused(archive: Any, columns: dict[str, Any], reason: str) -> None:
    with pytest.raises(FreshetError) as refusal:
        training_set(archive, [VIEW], pd.DataFrame(columns))
    assert str(refusal.value) == reason


def test_an_archive_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(FreshetError, match="holds no event yet"):
        connect(str(tmp_path))


def test_a_block_is_written_again_as_the_same_file(tmp_path: Path) -> None:
    """What a writer that starts again does: the events of the block once more, and then more of them."""
    for count in (2, 3):
        filling = Filling(partition=1, block=4)
        for number in range(count):
            filling.add(an_event(number, NOON + seconds(number)), 400 + number)
        filling.write(Files(str(tmp_path)))
    [path] = tmp_path.rglob("*.parquet")
    assert path == tmp_path / file_of("2018-01-01", 1, 4)
    table = pq.ParquetFile(path).read()
    assert table.column("clean_offset").to_pylist() == [400, 401, 402]
    assert table.schema.field("event_time").type == pa.timestamp("ms", tz="UTC")
