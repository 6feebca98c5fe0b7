"""Sends made-up listening to the topic `interactions`, and its tracks to `catalog`.

    python examples/music/listen.py --listeners 40 --minutes 30

Each listener has two genres of their own, plays one track after the other, skips what does not fit, likes some of what does,
and sometimes moves on to another genre. The same seed makes the same listening; it ends now, unless told otherwise.
"""

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from freshet.replay.produce import EventProducer
from freshet.schemas.avro import Record
from freshet.schemas.topics import CATALOG
from freshet.settings import load_settings

GENRES = {"ambient": 70, "hip-hop": 90, "pop": 115, "house": 124, "rock": 130, "drum and bass": 174}
"""Beats a minute, about."""
ARTISTS_A_GENRE, TRACKS_AN_ARTIST = 6, 8
REGIONS, DEVICES = ("north", "south", "islands"), ("phone", "car", "desktop", "speaker")
MINUTE_MS = 60_000
CATALOGUE_S = 2  # workers that run already follow the catalogue in a thread; an event before its track has no genre


@dataclass(frozen=True)
class Track:
    """A track of the catalogue."""

    id: str
    genre: str
    artist: str
    tempo: int

    def item(self, now_ms: int) -> Record:
        """Return its record of `catalog`: the genre is the category, the artist the brand."""
        return {
            "item_id": self.id,
            "department": "music",
            "category": self.genre,
            "product_type": "track",
            "brand": self.artist,
            "title": f"{self.artist}, {self.id}",
            "price": None,
            "in_stock": True,
            "updated_at": now_ms,
            "attributes": {"tempo": str(self.tempo)},
        }


def tracks(seed: int) -> list[Track]:
    """Return the service's tracks, artist by artist."""
    chance = random.Random(seed)
    artists = [(genre, number) for genre in GENRES for number in range(1, ARTISTS_A_GENRE + 1)]
    return [
        Track(f"{genre}-{number}-{song}", genre, f"{genre} artist {number}", GENRES[genre] + chance.randint(-8, 8))
        for genre, number in artists
        for song in range(1, TRACKS_AN_ARTIST + 1)
    ]


@dataclass
class Listener:
    """Someone who listens: taste, place, device, and the genre of the moment."""

    id: str
    own: tuple[str, str]
    now: str
    context: dict[str, str]
    chance: random.Random

    def next_genre(self) -> str:
        """Return the genre of the next track: mostly that of the moment, else one of the own, seldom any."""
        turn = self.chance.random()
        if turn > 0.9:
            self.now = self.chance.choice(self.own) if turn < 0.98 else self.chance.choice(list(GENRES))
        return self.now


def listener(number: int, seed: int) -> Listener:
    """Return a listener, from 1 on."""
    chance = random.Random(f"{seed} {number}")
    own = chance.choice(list(GENRES)), chance.choice(list(GENRES))
    context = {"geo": chance.choice(REGIONS), "device": chance.choice(DEVICES), "page": "player"}
    return Listener(str(number), own, own[0], context, chance)


def listening(someone: Listener, catalogue: list[Track], since_ms: int, until_ms: int) -> Iterator[Record]:
    """Yield what someone does between two instants, in order."""
    chance, at, number = someone.chance, since_ms + someone.chance.randrange(MINUTE_MS), 0
    while at < until_ms:
        genre = someone.next_genre()
        track = chance.choice([one for one in catalogue if one.genre == genre])
        skips = chance.random() < (0.2 if genre in someone.own else 0.6)
        heard_s = chance.randint(4, 25) if skips else chance.randint(100, 240)
        moments = [("play", at), *([("skip", at + heard_s * 1000)] if skips else [])]
        if not skips and chance.random() < 0.15:
            moments.append(("like", at + heard_s * 500))
        for kind, moment in moments:
            if moment < until_ms:
                yield event(someone, track, kind, moment, f"music-{someone.id}-{since_ms}-{number}-{kind}")
        at, number = at + heard_s * 1000 + chance.randrange(500), number + 1


def event(someone: Listener, track: Track, kind: str, at: int, event_id: str) -> Record:
    """Return a record of `interactions`."""
    return {
        "event_id": event_id,
        "user_id": someone.id,
        "item_id": track.id,
        "event_type": kind,
        "event_time": at,
        "value": None,
        "session_id": None,
        "request_id": None,
        "context": someone.context | {"tempo": str(track.tempo)},
    }


def all_listening(seed: int, listeners: int, since_ms: int, until_ms: int) -> list[Record]:
    """Return what all listeners do between two instants, in order."""
    catalogue = tracks(seed)
    made = (listening(listener(number + 1, seed), catalogue, since_ms, until_ms) for number in range(listeners))
    return sorted((one for someone in made for one in someone), key=lambda one: (one["event_time"], one["event_id"]))


def main() -> None:
    """Send the tracks, then the listening."""
    parser = argparse.ArgumentParser(description="Send made-up listening to a music service.")
    parser.add_argument("--listeners", type=int, default=40)
    parser.add_argument("--minutes", type=int, default=30, help="how long they have been listening")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same listening")
    said = parser.parse_args()
    now_ms = time.time_ns() // 1_000_000
    events = all_listening(said.seed, said.listeners, now_ms - said.minutes * MINUTE_MS, now_ms)
    with EventProducer(load_settings()) as producer:
        items = producer.produce((track.item(now_ms) for track in tracks(said.seed)), CATALOG)
        time.sleep(CATALOGUE_S)
        sent = producer.produce(events)
    print(f"Sent {items:,} tracks and {sent:,} events of {said.listeners:,} listeners.")


if __name__ == "__main__":
    main()
