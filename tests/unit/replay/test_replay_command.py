"""`freshet replay`: its options and what it says, with a producer that only counts."""

import json
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from freshet.commands import replay as module
from freshet.errors import FreshetError
from freshet.replay import journey
from freshet.replay.journey import FIRST_DAY_MS, Window
from freshet.replay.pace import Pace
from freshet.replay.tastes import Tastes
from freshet.schemas.topics import CATALOG, INTERACTIONS

DAY_MS = 86_400_000
END_MS = 1_514_851_200_000  # 2018-01-02T00:00:00Z, the midnight after the last purchase
Record = dict[str, Any]


class Counting(AbstractContextManager["Counting"]):
    """Stands in for `EventProducer` and keeps what it is given."""

    def __init__(self, *_: object, linger_ms: int) -> None:
        self.sent: dict[str, list[Record]] = {}
        runs.append(self)

    def __exit__(self, *_: object) -> None:
        pass

    def ready(self, topic: str) -> None:
        pass

    def produce(self, records: Any, topic: str, **_: object) -> int:
        self.sent[topic] = list(records)
        return len(self.sent[topic])


runs: list[Counting] = []


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch, tastes: Tastes) -> None:
    monkeypatch.setattr(module, "EventProducer", Counting)
    monkeypatch.setattr(module, "shop", lambda: (tastes, END_MS))
    runs.clear()


def replay(*options: str) -> tuple[dict[str, Any], list[Record]]:
    """Run the command for a machine and return its report and the events that it sent."""
    app = typer.Typer()
    app.command()(module.replay)
    result = CliRunner().invoke(app, [*options, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), runs[-1].sent[INTERACTIONS]


def test_the_catalogue_comes_along_unless_it_is_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journey, "catalogue", lambda: iter([{"item_id": "1"}, {"item_id": "2"}]))
    assert replay("--limit", "10")[0]["catalog"] == 2
    assert len(runs[-1].sent[CATALOG]) == 2
    assert replay("--limit", "10", "--no-catalog")[0]["catalog"] == 0


def test_the_report_says_what_was_sent() -> None:
    report, events = replay("--limit", "10", "--no-catalog")
    assert (report["events"], report["synthetic"]) == (10, False)
    assert report["first_event_time"] == "2017-01-01T11:53:26+00:00"
    assert report["last_event_time"] == "2017-01-01T12:56:33+00:00"
    assert len(events) == 10


def test_a_second_replay_sends_the_same_ids_even_when_shifted() -> None:
    _, events = replay("--limit", "50", "--no-catalog")
    _, shifted = replay("--limit", "50", "--no-catalog", "--shift-to-now")
    assert [event["event_id"] for event in events] == [event["event_id"] for event in shifted]
    moved = {after["event_time"] - before["event_time"] for before, after in zip(events, shifted, strict=True)}
    assert len(moved) == 1


def test_shifted_events_end_just_before_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "now_ms", lambda: 1_900_000_000_000)
    for kind in (["--limit", "50"], ["--synthetic", "--events", "50"]):
        _, events = replay("--no-catalog", "--shift-to-now", *kind)
        assert events[-1]["event_time"] == 1_899_999_999_999


def test_the_last_days_are_counted_from_the_end_of_the_data() -> None:
    report, events = replay("--last", "1d", "--no-catalog")
    assert report["last_event_time"] == "2018-01-01T04:01:20+00:00"
    assert events[-1]["event_time"] - events[0]["event_time"] < DAY_MS


def test_synthetic_sessions_follow_their_seed() -> None:
    options = ("--synthetic", "--events", "200", "--users", "50", "--no-catalog", "--seed")
    _, one = replay(*options, "1")
    _, same = replay(*options, "1")
    _, other = replay(*options, "2")
    assert one == same != other
    assert len(one) == 200
    assert one[0]["event_time"] >= END_MS  # they go on where the purchases end


def test_synthetic_sessions_can_start_on_another_day() -> None:
    report, _ = replay("--synthetic", "--events", "10", "--since", "2019-05-01", "--no-catalog")
    assert report["first_event_time"].startswith("2019-05-01")


def test_only_one_pace_can_be_asked_for() -> None:
    assert module.chosen_pace(None, None, fastest=True) == Pace()
    assert module.chosen_pace(1000, None, fastest=False) == Pace(speed=1000)
    with pytest.raises(FreshetError, match="one of --speed, --rate and --max"):
        module.chosen_pace(10, 10, fastest=False)


def test_a_window_is_from_the_first_day_up_to_the_one_not_to_send() -> None:
    window = module.chosen_window(datetime(2017, 1, 2), datetime(2017, 1, 3), None, 5)
    assert window == Window(FIRST_DAY_MS + DAY_MS, FIRST_DAY_MS + 2 * DAY_MS, 5)


def test_the_last_days_can_end_at_a_date() -> None:
    window = module.chosen_window(None, datetime(2017, 1, 3), "1d", None)
    assert window == Window(FIRST_DAY_MS + DAY_MS, FIRST_DAY_MS + 2 * DAY_MS, None)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--since", "2020-01-01"], "No purchases in that time"),
        (["--last", "soon"], "'soon' is not a span of time"),
        (["--last", "1d", "--since", "2017-01-01"], "--since or --last, not both"),
        (["--synthetic", "--until", "2017-01-01"], "--synthetic has no --until"),
        (["--rate", "5", "--speed", "2"], "one of --speed, --rate and --max"),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_sentence(options: list[str], sentence: str) -> None:
    with pytest.raises(FreshetError, match=sentence):
        replay(*options)
