"""`python -m freshet.models.evaluate` reads any file of events, measures, and says what is wrong with one it cannot read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from freshet.errors import FreshetError
from freshet.models.evaluate import app
from freshet.models.event_files import read_events

ROOT = Path(__file__).resolve().parents[3]
NOON_MS = 1_700_000_000_000


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    """Return a file of 60 sessions that go through one of four aisles of ten items."""
    rng = np.random.default_rng(3)
    path = tmp_path / "clicks.csv"
    lines = ["session_id,item_id,timestamp,colour"]
    for session in range(60):
        aisle = int(rng.integers(4))
        for step, item in enumerate(rng.permutation(10)[:6]):
            lines.append(f"s{session},{aisle}-{item},{NOON_MS // 1000 + 600 * session + 20 * step},red")
    path.write_text("\n".join(lines))
    return path


def evaluated(path: Path, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [str(path), "--json", *options])
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_both_protocols_are_measured(clicks: Path) -> None:
    told = evaluated(clicks)
    assert (told["events"], told["sessions"], told["items"], told["warm_up"]) == (360, 60, 40, 72)
    known, new, last = told["rows"]
    assert (known["predictions"], new["predictions"], last["predictions"]) == (240, 48, 12)
    assert known["hr_at_10"] > 0.5  # ten items of the aisle, and not forty
    assert known["hr_at_20"] >= known["hr_at_10"] > known["ndcg_at_10"] > known["mrr_at_10"] > 0


def test_the_same_seed_gives_the_same_figures(clicks: Path) -> None:
    first, again = (evaluated(clicks, "--seed", "4")["rows"] for _ in range(2))
    assert first == again


def test_fewer_predictions_are_made_when_asked_for(clicks: Path) -> None:
    known, new, last = (row["predictions"] for row in evaluated(clicks, "--predictions", "30")["rows"])
    assert 20 <= known + new <= 45
    assert last == 12


def test_people_read_a_table(clicks: Path) -> None:
    done = CliRunner().invoke(app, [str(clicks)])
    assert done.exit_code == 0
    assert "next, of known users" in done.stdout
    assert "lists do not show what the user has had" in " ".join(done.stdout.split())


def test_lists_show_items_again_where_people_come_back(tmp_path: Path) -> None:
    path = tmp_path / "milk.csv"
    events = [(user, "milk" if step % 2 else f"item-{step}", step) for step in range(20) for user in "abcdef"]
    path.write_text("user,item,time\n" + "\n".join(f"{user},{item},{1000 * at}" for user, item, at in events))
    told = evaluated(path)
    assert told["repeats"]
    assert told["rows"][0]["hr_at_10"] > 0.3
    assert not evaluated(path, "--no-repeats")["repeats"]


@pytest.mark.parametrize("folder", [ROOT, ROOT / "tests"], ids=["checkout", "elsewhere"])
def test_it_runs_as_a_module_from_any_folder(clicks: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "freshet.models.evaluate", str(clicks), "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] == 360


def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "freshet.models.evaluate", str(tmp_path / "nothing.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing.csv cannot be read" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


TIMES = {
    "seconds": ["1700000000", "1700000060"],
    "fractions": ["1700000000.0", "1700000060.0"],
    "milliseconds": ["1700000000000", "1700000060000"],
    "microseconds": ["1700000000000000", "1700000060000000"],
    "nanoseconds": ["1700000000000000000", "1700000060000000000"],
    "iso": ["2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z"],
    "spaces": ["2023-11-14 22:13:20", "2023-11-14 22:14:20"],
    "offset": ["2023-11-14T23:13:20+01:00", "2023-11-14T23:14:20.000+01:00"],
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES.keys())
def test_times_are_read_in_any_unit(tmp_path: Path, times: list[str]) -> None:
    path = tmp_path / "some.csv"
    path.write_text("user,item,time\n" + "\n".join(f"a,b,{time}" for time in times))
    assert read_events(path).by_user.times.tolist() == [NOON_MS, NOON_MS + 60_000]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_the_separator_is_that_of_the_header(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "some.csv"
    path.write_text("\n".join(separator.join(line) for line in (["user_id", "item_id", "ts"], ["a", "b, c;d", "5"])))
    if separator in ",;":
        path.write_text(path.read_text().replace("b, c;d", '"b, c;d"'))
    assert read_events(path).by_user.item_names == ["b, c;d"]


@pytest.mark.parametrize(
    "header", ["userId,movieId,rating,timestamp", "user_id:token,item_id:token,rating:float,timestamp:float"]
)
def test_the_headers_of_well_known_files_are_understood(tmp_path: Path, header: str) -> None:
    path = tmp_path / "some.csv"
    path.write_text(f"{header}\n007,7,5,1700000000\n7,007,3,1700000000\n")
    log = read_events(path).by_user
    assert (log.user_names, log.item_names) == (["007", "7"], ["7", "007"])


def test_a_file_of_users_and_sessions_has_both(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("user,session,item,time\na,s1,x,1\na,s2,y,2\n")
    read = read_events(path)
    assert (read.by_user.user_names, read.by_session.user_names) == (["a"], ["s1", "s2"])


def test_lines_that_lack_something_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("user,item,time\na,x,1\n,x,2\nb,,3\nb,y,\n")
    read = read_events(path)
    assert (len(read.by_user), read.left_out) == (1, 3)


def test_what_stands_behind_the_columns_of_the_header_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("user,item,time\na,x,1,\nb,y,2,\n")
    assert read_events(path).by_user.item_names == ["x", "y"]


BROKEN = {
    "no-item": ("user,thing,time\na,b,1\n", "has no column for item"),
    "nobody": ("item,time\na,1\n", "has no column for user or session"),
    "no-lines": ("user,item,time\n", "has no line"),
    "no-time": ("user,item,time\na,b,yesterday\n", "neither a number nor ISO 8601"),
    "open-quote": ('user,item,time\na,"b,1\n', "cannot be read as a table"),
    "empty": ("", "has no column for"),
}


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_is_wrong_is_told_to_be(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(FreshetError, match=told):
        read_events(path)


def test_a_file_that_is_no_text_is_told_to_be(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(FreshetError, match="cannot be read"):
        read_events(path)


def test_a_warm_up_as_long_as_the_file_is_refused(clicks: Path) -> None:
    done = CliRunner().invoke(app, [str(clicks), "--warm-up", "360"])
    assert isinstance(done.exception, FreshetError)
    assert "--warm-up" in str(done.exception)
