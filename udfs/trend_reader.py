"""Reads the rows and sets of trends: single ones, or all rows of a trend as a matrix that follows the store.

The matrix costs what has changed: a trend's sorted set holds its rows' keys in the order of their last change, so a look reads
the keys behind the last one that it knows, and their rows.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from freshet.schemas.keys import TrendRow, TrendSet
from freshet.udfs.redis_pipe import RedisPipe

log = logging.getLogger(__name__)

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

SLICE = 64  # rows a reading: some milliseconds
RETRY_S = 2.0


class Row(NamedTuple):
    """A row of a trend.

    Attributes:
        as_of: the time for which its counts are told, ms: that of the newest event in it.
        totals: the row's own count for each half-life.
        ids: its members, the highest rates first.
        counts: for each half-life the counts of the members.
    """

    as_of: int
    totals: list[float]
    ids: list[str]
    counts: list[list[float]]


class Session(NamedTuple):
    """A session that is over: when its last event was, ms, and each item once, in the order of the last visits."""

    end: int
    items: list[str]


def parse_row(value: bytes) -> Row:
    """Return what a row's value holds.

    >>> parse_row(b'{"version":"1700-2","totals":[2.0],"ids":["a"],"counts":[[1.5]]}')
    Row(as_of=1700, totals=[2.0], ids=['a'], counts=[[1.5]])
    """
    told = orjson.loads(value)
    return Row(int(told["version"].rpartition("-")[0]), told["totals"], told["ids"], told["counts"])


def read_rows(pipe: RedisPipe, name: str, keys: Sequence[str]) -> list[Row | None]:
    """Return rows of a trend; None for one that is not there.

    Raises:
        redis.RedisError: the store did not answer.
    """
    if not keys:
        return []
    (values,) = pipe.run([("MGET", *(TrendRow(name, key).encode() for key in keys))])
    return [parse_row(value) if value else None for value in values]


def read_sessions(pipe: RedisPipe, name: str, since_ms: int = 0) -> list[Session]:
    """Return the sessions of a trend that ended at that time or later, the oldest first.

    Sessions arrive when they are over, half an hour after their end or later: who follows them asks anew from an hour before
    the newest that he knows.

    Raises:
        redis.RedisError: the store did not answer.
    """
    (members,) = pipe.run([("ZRANGE", TrendSet(name).encode(), since_ms, "+inf", "BYSCORE")])
    return [Session(told["end"], told["items"]) for told in map(orjson.loads, members)]


def read_first_seen(pipe: RedisPipe, name: str, most: int) -> list[tuple[str, int]]:
    """Return the items that were seen first last, and when that was, ms; the newest first.

    Raises:
        redis.RedisError: the store did not answer.
    """
    (found,) = pipe.run([("ZREVRANGE", TrendSet(name).encode(), 0, most - 1, "WITHSCORES")])
    return [(item.decode(), int(score)) for item, score in zip(found[::2], found[1::2], strict=True)]


class RowMatrix:
    """Rows of one trend by numbers; row 0 is nobody's, and member 0 is no member.

    A row is replaced as a whole: who takes rows meanwhile, in another thread, gets the old one or the new one.

    Attributes:
        ids: int32 [R + 1, width], the members of each row, the highest rates first; unknown ones are left out.
        counts: float32 [half-lives, R + 1, width], as of the row's own time.
        totals: float32 [half-lives, R + 1], likewise.
        as_of: int64 [R + 1], that time, ms; 0 for a row that is not there.
    """

    def __init__(self, rows: int, width: int, half_lives_ms: Sequence[float]) -> None:
        self._lock = threading.Lock()
        self.half_lives_ms = np.array(half_lives_ms, np.float64)
        self.ids = np.zeros((rows + 1, width), np.int32)
        self.counts = np.zeros((len(half_lives_ms), rows + 1, width), np.float32)
        self.totals = np.zeros((len(half_lives_ms), rows + 1), np.float32)
        self.as_of = np.zeros(rows + 1, np.int64)

    def set(self, at: int, row: Row | None, members: Mapping[str, int]) -> None:
        """Put a row in its place, with those of its members that have a number; None empties it."""
        row = row or Row(0, [0.0] * len(self.half_lives_ms), [], [[] for _ in self.half_lives_ms])
        numbers = np.array([members.get(one, 0) for one in row.ids], np.int32)
        known = np.flatnonzero(numbers)[: self.ids.shape[1]]
        counts = np.array(row.counts, np.float32)[:, known]
        with self._lock:
            self.ids[at, : len(known)], self.ids[at, len(known) :] = numbers[known], 0
            self.counts[:, at, : len(known)], self.counts[:, at, len(known) :] = counts, 0.0
            self.totals[:, at], self.as_of[at] = row.totals, row.as_of

    def rows(self, at: Ints, now_ms: int, half_life: int = 0) -> tuple[NDArray[np.int32], Floats]:
        """Return some rows as of an instant, decayed by one of the half-lives: ids [n, width] and counts [n, width].

        Nothing is brought back in time.
        """
        with self._lock:
            ids, counts, as_of = self.ids.take(at, 0), self.counts[half_life].take(at, 0), self.as_of.take(at)
        counts *= self._decay(as_of, now_ms, half_life)[:, None]
        return ids, counts

    def totals_of(self, at: Ints, now_ms: int, half_life: int = 0) -> Floats:
        """Return the rows' own counts as of an instant, [n]."""
        with self._lock:
            totals, as_of = self.totals[half_life].take(at), self.as_of.take(at)
        return np.asarray(totals * self._decay(as_of, now_ms, half_life))

    def _decay(self, as_of: Ints, now_ms: int, half_life: int) -> Floats:
        age = np.maximum(now_ms - as_of, 0) / self.half_lives_ms[half_life]
        return np.asarray(np.exp2(-age.astype(np.float32)))


class TrendFeed(ABC):
    """Reads what has changed of a trend, again and again, in a daemon thread."""

    def __init__(self, pipe: RedisPipe, name: str) -> None:
        """Take a connection of the feed's own, and the trend."""
        self._pipe, self._name = pipe, name
        self._looked_at = time.monotonic()
        self._is_over = threading.Event()

    @property
    def age_s(self) -> float:
        """For how long the store has not been read; its rows are a second behind the events besides."""
        return time.monotonic() - self._looked_at

    def start(self, every_s: float) -> None:
        """Begin to follow the store."""
        threading.Thread(target=self._follow, args=(every_s,), name=f"trend-{self._name}", daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._is_over.set()

    def _follow(self, every_s: float) -> None:
        while not self._is_over.wait(every_s):
            try:
                self.look()
            except Exception:
                if not self._is_over.is_set():
                    log.exception("The trend %s could not be read; the last reading is used.", self._name)
                self._is_over.wait(RETRY_S)

    @abstractmethod
    def look(self) -> int:
        """Read what has changed since the last look, and return how much that was.

        Raises:
            redis.RedisError: the store did not answer; what was not read is read by the next look.
        """


class RowsFeed(TrendFeed):
    """Keeps all rows of a trend current."""

    def __init__(
        self, pipe: RedisPipe, name: str, rows: Mapping[str, int], members: Mapping[str, int], matrix: RowMatrix
    ) -> None:
        """Read all rows once.

        Args:
            pipe: a connection of the feed's own.
            name: the trend.
            rows: the number of each row's key, from 1.
            members: the number of each member, from 1.
            matrix: what is filled.

        Raises:
            redis.RedisError: the store did not answer.
        """
        super().__init__(pipe, name)
        self._rows, self._members, self._matrix = rows, members, matrix
        self._change = 0
        self.look()

    def look(self) -> int:
        """Read what has changed since the last look, and return how many rows that were.

        Raises:
            redis.RedisError: the store did not answer; what was not read is read by the next look.
        """
        changed, is_more = 0, True
        while is_more:
            begun, keys = time.monotonic(), self._changed()
            known = [key for key in keys if key in self._rows]
            for key, row in zip(known, read_rows(self._pipe, self._name, known), strict=True):
                self._matrix.set(self._rows[key], row, self._members)
            self._change = max(keys.values(), default=self._change)
            changed += len(known)
            is_more = len(keys) == SLICE
        self._looked_at = begun
        return changed

    def _changed(self) -> dict[str, int]:
        """Return the keys that changed next, with the numbers of their changes."""
        place = TrendSet(self._name).encode()
        (found,) = self._pipe.run(
            [("ZRANGE", place, f"({self._change}", "+inf", "BYSCORE", "LIMIT", 0, SLICE, "WITHSCORES")]
        )
        return {key.decode(): int(number) for key, number in zip(found[::2], found[1::2], strict=True)}
