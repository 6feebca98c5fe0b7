"""The features of the music service, as Flink and a training set have them, are what plain Python says of the listening."""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise, takewhile
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from builders import EXAMPLES, NOON, Record, hours, minutes, seconds, the_shops_views, views_of
from engine_values import about, archived, computed_by_flink, in_history
from freshet.archive.read import connect
from freshet.schemas.avro import Encoder
from freshet.schemas.topics import CATALOG, INTERACTIONS
from freshet.udfs.catalogue import Place
from freshet.udfs.clean import Position, clean, validate
from freshet.udfs.feast_layout import EntityKeys
from freshet.udfs.view_checks import problems
from freshet.udfs.views import View

VIEWS = views_of(EXAMPLES / "music")
DAY = hours(24)
EVER = 36_500 * DAY
START = NOON + hours(11)  # an hour before midnight, so that hours and days change

KEYS: dict[str, Callable[[Record], str]] = {
    "subject": lambda event: event["subject"],
    "item_id": lambda event: event["item_id"],
    "category": lambda event: event["category"],
    "region": lambda event: event["context"]["geo"],
}


@cache
def generator() -> Any:
    """Return the module `examples/music/listen.py`."""
    spec = spec_from_file_location("listen", EXAMPLES / "music" / "listen.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["listen"] = module  # its dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def listening(listeners: int, minutes_long: int) -> list[Record]:
    """Return clean events of made-up listening."""
    listen = generator()
    places = {track.id: Place("music", track.genre, "track", track.artist) for track in listen.tracks(3)}
    raw = listen.all_listening(3, listeners, START, START + minutes(minutes_long))
    return [
        clean(event, f"subject-{event['user_id']}", places[event["item_id"]], Position(INTERACTIONS, 0, offset))
        for offset, event in enumerate(raw)
    ]


# ---- The features on paper ------------------------------------------------------------------------------------------


def of(events: Sequence[Record], *kinds: str) -> list[Record]:
    return [event for event in events if event["event_type"] in kinds]


def in_panes(events: Sequence[Record], now: int, window: int, slide: int) -> list[Record]:
    return [event for event in events if now // slide - event["event_time"] // slide < window // slide]


def moment(events: Sequence[Record], now: int) -> list[Record]:
    return in_panes(events, now, minutes(5), seconds(30))


def within(events: Sequence[Record], now: int, window: int) -> list[Record]:
    """Return the events of the window, newest first."""
    kept = [event for event in events if event["event_time"] > now - window]
    return sorted(kept, key=lambda event: (event["event_time"], event["source_offset"]), reverse=True)


def decayed(events: Sequence[Record], now: int, half_life: int) -> list[float]:
    return [2.0 ** ((event["event_time"] - now) / half_life) for event in events]


def smoothed(hits: float, all_of_them: float, prior: float, weight: float) -> float | None:
    return (hits + prior * weight) / (all_of_them + weight) if all_of_them + weight else None


def tempo(event: Record) -> float:
    return float(event["context"]["tempo"])


def hour_of(event: Record) -> str:
    return str(event["event_time"] // hours(1) % 24)


def most_frequent(values: list[str], n: int) -> list[str]:
    counts = Counter(values)
    return sorted(counts, key=lambda value: (-counts[value], value))[:n]


def trend(events: Sequence[Record], now: int) -> float:
    long = sum(decayed(events, now, DAY)) / DAY
    return sum(decayed(events, now, hours(1))) / hours(1) / long if long else 0.0


def session(events: Sequence[Record], now: int, gap: int = minutes(20)) -> list[Record]:
    newest_first = within(events, now, EVER)
    if not newest_first or now - newest_first[0]["event_time"] >= gap:
        return []
    close = (one["event_time"] - other["event_time"] < gap for one, other in pairwise(newest_first))
    return newest_first[: 1 + len(list(takewhile(bool, close)))]


def each_once(values: list[str], n: int) -> list[str]:
    return list(dict.fromkeys(values))[:n]


def user_listening(events: list[Record], now: int) -> list[Any]:
    plays, likes = of(events, "play"), of(events, "like")
    recent, both = moment(plays, now), moment(of(events, "play", "skip"), now)
    weights, current = decayed(plays, now, 7 * DAY), session(events, now)
    last_five = within(plays, now, minutes(5))
    return [
        len(recent),
        smoothed(len(of(both, "skip")), len(both), 0.3, 5),
        fmean(map(tempo, recent)) if recent else None,
        sum(w * tempo(event) for w, event in zip(weights, plays, strict=True)) / sum(weights) if plays else None,
        len({event["category"] for event in recent}),
        [event["category"] for event in last_five][:5],
        most_frequent([event["category"] for event in in_panes(plays, now, 7 * DAY, hours(6))], 3),
        each_once([event["brand"] for event in last_five], 10),
        each_once([event["item_id"] for event in within(plays, now, EVER)], 50),
        each_once([event["item_id"] for event in within(likes, now, EVER)], 20),
        len(of(current, "play")),
        (current[0]["event_time"] - current[-1]["event_time"]) / 1000 if current else 0.0,
        most_frequent([hour_of(event) for event in in_panes(plays, now, 30 * DAY, DAY)], 3),
        within(events, now, EVER)[0]["context"]["device"],
    ]


def user_genre_affinity(events: list[Record], now: int) -> list[Any]:
    plays, both = of(events, "play"), of(events, "play", "skip")
    skips = sum(decayed(of(events, "skip"), now, 7 * DAY))
    return [
        sum(decayed(plays, now, minutes(5))),
        sum(decayed(plays, now, 7 * DAY)),
        smoothed(skips, sum(decayed(both, now, 7 * DAY)), 0.3, 5),
    ]


def track_popularity(events: list[Record], now: int) -> list[Any]:
    plays = of(events, "play")
    day = in_panes(of(events, "play", "skip"), now, DAY, hours(1))
    return [
        len(moment(plays, now)),
        trend(plays, now),
        smoothed(len(of(day, "skip")), len(day), 0.3, 20),
        sum(decayed(of(events, "like"), now, 7 * DAY)),
        len({event["subject"] for event in in_panes(plays, now, DAY, hours(1))}),
    ]


def genre_trends(events: list[Record], now: int) -> list[Any]:
    plays = of(events, "play")
    tempos = [tempo(event) for event in in_panes(plays, now, hours(1), minutes(5))]
    return [sum(decayed(plays, now, hours(1))), trend(plays, now), fmean(tempos) if tempos else None]


def region_genre_popularity(events: list[Record], now: int) -> list[Any]:
    plays = of(events, "play")
    day = in_panes(plays, now, DAY, hours(1))
    on_the_way = [event for event in day if event["context"]["device"] in ("phone", "car")]
    return [sum(decayed(plays, now, hours(1))), smoothed(len(on_the_way), len(day), 0, 0)]


ON_PAPER: dict[str, Callable[[list[Record], int], list[Any]]] = {
    "user_listening": user_listening,
    "user_genre_affinity": user_genre_affinity,
    "track_popularity": track_popularity,
    "genre_trends": genre_trends,
    "region_genre_popularity": region_genre_popularity,
}


def groups_of(view: View, events: list[Record]) -> dict[tuple[str, ...], list[Record]]:
    """Return the events of each entity; here every event has a key of every view."""
    groups = defaultdict(list)
    for event in events:
        groups[tuple(KEYS[name](event) for name in view.keys)].append(event)
    return groups


# ---- And what they must equal ---------------------------------------------------------------------------------------


def test_the_definitions_can_be_computed_and_stand_beside_the_shops() -> None:
    assert list(problems([*the_shops_views(), *VIEWS])) == []
    assert {view.name for view in VIEWS} == set(ON_PAPER)


def test_the_generator_makes_valid_events_of_the_contract() -> None:
    listen, now = generator(), START + minutes(30)
    raw = listen.all_listening(3, 4, START, now)
    encode, encode_item = Encoder(INTERACTIONS, 1), Encoder(CATALOG, 2)
    for event in raw:
        validate(event, now)
        assert encode(event)
    assert all(encode_item(track.item(now)) for track in listen.tracks(3))
    assert len({event["event_id"] for event in raw}) == len(raw)
    assert {event["event_type"] for event in raw} == {"play", "skip", "like"}


def test_the_same_seed_makes_the_same_listening() -> None:
    listen = generator()
    once, again, other = (listen.all_listening(seed, 3, START, START + minutes(10)) for seed in (1, 1, 2))
    assert once == again != other


@pytest.mark.flink
def test_flink_and_history_have_what_is_on_paper(flink: Callable[..., Any], jvm: Any, tmp_path: Path) -> None:
    events = listening(listeners=5, minutes_long=100)
    written = computed_by_flink(flink({"parallelism.default": "2"}), jvm, events, VIEWS)
    archived(tmp_path / "archive", events)
    archive = connect(str(tmp_path / "archive"))
    for view in VIEWS:
        groups, store_key = groups_of(view, events), EntityKeys("shop", view.keys)
        assert written[view.name].keys() == {store_key(key) for key in groups}
        complete = [
            (key, as_of, values)
            for key, group in groups.items()
            for as_of, version, values in written[view.name][store_key(key)]
            if version == len(group)
        ]
        learnt = in_history(archive, view, [(key, as_of) for key, as_of, _ in complete])
        for (key, as_of, values), in_training in zip(complete, learnt, strict=True):
            paper = about(ON_PAPER[view.name](groups[key], as_of))
            assert values == paper, (view.name, key, as_of)
            assert in_training == paper, (view.name, key, as_of)
