"""Which lists hold an item: sets in Redis, kept by who writes lists, read when an item must leave them.

The sets of an item belong to spans of time as long as a list lives. A list that stands was written in this span or in the
one before, and so was its name in the sets of its items. Sets of older spans go by themselves, and with them the names of
users who no longer come. A set may name a list that no longer holds the item, and never lacks one that does.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import chain
from typing import Any, NamedTuple

import orjson
import redis

from freshet.schemas.keys import Holds, Hot
from freshet.udfs.redis_pipe import Call, Command, RedisPipe, Script, evalsha
from freshet.udfs.top_n import ListWriter, TopList
from freshet.udfs.versions import Written

PAGE = 500
"""Members that are asked for at a time: what the server does for one page holds up others for well under a millisecond."""

RESTATED_AFTER_S = 600.0
"""A list whose items stood in the sets for so long names all of them anew, should the server have lost them."""

REMEMBERED = 50_000
HEAD = 63
"""The version of a list is among its first bytes, up to this one."""

CLOCKS_DIFFER_S = 60.0


class Spans(NamedTuple):
    """Numbers spans of time by the longest life of a list, in seconds; 0 is for ever, and all time one span."""

    ttl_s: int

    def now(self, at_s: float) -> int:
        """Return the span in which a list that is written now is named."""
        return int(at_s // self.ttl_s) if self.ttl_s else 0

    def standing(self, at_s: float) -> list[int]:
        """Return the spans in which lists that stand now may be named, by clocks that may differ by a minute."""
        if not self.ttl_s:
            return [0]
        earliest, latest = self.now(at_s - self.ttl_s - CLOCKS_DIFFER_S), self.now(at_s + CLOCKS_DIFFER_S)
        return list(range(max(earliest, 0), latest + 1))

    def over(self, span: int) -> int:
        """Return when the sets of a span can go: the second since 1970; 0 if never."""
        return int((span + 2) * self.ttl_s + CLOCKS_DIFFER_S) if self.ttl_s else 0


class SetKey(NamedTuple):
    """The key of the set of an item, and its bucket: the sets of one bucket lie in one slot of a cluster."""

    bucket: bytes
    key: bytes


@lru_cache(maxsize=200_000)
def set_key(placement: str, span: int, item: str) -> SetKey:
    """Return the key of the set of an item in a span."""
    key = Holds(placement, span, item).encode().encode()
    return SetKey(key[: key.index(b"}")], key)


Names = dict[SetKey, list[str]]
"""Names of lists by the set that they are to go into, or to leave."""

NAME = Script(files("freshet.udfs").joinpath("name_lists.lua").read_text("utf-8"))


def naming(command: str, names: Names, over: int = 0) -> list[Call]:
    """Return calls that put names into sets (`SADD`), which then go at `over`, or take them out (`SREM`): one a bucket."""
    keys: dict[bytes, list[bytes]] = defaultdict(list)
    arguments: dict[bytes, list[Any]] = defaultdict(lambda: [command, over])
    for (bucket, key), those in names.items():
        keys[bucket].append(key)
        arguments[bucket] += (len(those), *those)
    return [Call(NAME, those, arguments[bucket]) for bucket, those in keys.items()]


class Member(NamedTuple):
    """A list as the sets name it: by its subject, or by a colon and its segment if it is a hot list."""

    placement: str
    name: str

    @classmethod
    def of(cls, key: str) -> "Member":
        """Return what names the list at a key of the grammar.

        >>> Member.of("topn:home:{Zm9v}"), Member.of("hot:home"), Member.of("hot:home:bread")
        (Member(placement='home', name='Zm9v'), Member(placement='home', name=':'), Member(placement='home', name=':bread'))
        """
        kind, placement, *rest = key.split(":", 2)
        return cls(placement, rest[0][1:-1] if kind == "topn" else ":".join(["", *(rest or [""])]))

    @property
    def key(self) -> str:
        """The key of the list, whose parts were checked when it was written."""
        if self.name.startswith(":"):
            return Hot(self.placement, self.name[1:] or None).encode()
        return f"topn:{self.placement}:{{{self.name}}}"


class Holders:
    """Reads the sets. The keys of a command lie in one slot of a Redis cluster."""

    def __init__(self, pipe: RedisPipe, ttl_seconds: int, now_s: Callable[[], float] = time.time) -> None:
        self._pipe = pipe
        self._spans = Spans(ttl_seconds)
        self._now_s = now_s

    def pages(self, placement: str, item: str) -> Iterator[list[Member]]:
        """Yield those whose lists may hold an item, some hundred at a time; one may come twice.

        Raises:
            redis.RedisError: the server did not answer.
        """
        for _, key in self._keys(placement, item):
            cursor = b"0"
            while True:
                ((cursor, names),) = self._pipe.run([("SSCAN", key, cursor, "COUNT", PAGE)])
                yield [Member(placement, name.decode()) for name in names]
                if cursor == b"0":
                    break

    def some(self, placement: str, item: str) -> list[Member]:
        """Return some hundred of those whose lists may hold an item, at random; none if there are none.

        Who takes them out of the sets afterwards, and asks again, shares the work with all others that do.

        Raises:
            redis.RedisError: the server did not answer.
        """
        keys = self._keys(placement, item)
        answers = self._pipe.run([("SRANDMEMBER", key, PAGE) for _, key in keys])
        return [Member(placement, name.decode()) for name in dict.fromkeys(chain(*answers))]

    def held(self, placement: str, items: Sequence[str]) -> list[bool]:
        """Tell for each item whether any list may hold it.

        Raises:
            redis.RedisError: the server did not answer.
        """
        keys = [self._keys(placement, item) for item in items]
        answers = self._pipe.run([("EXISTS", key) for several in keys for _, key in several]) if keys else []
        spans = len(answers) // max(len(items), 1)
        return [any(answers[at : at + spans]) for at in range(0, len(answers), max(spans, 1))]

    def add(self, item: str, members: Iterable[Member]) -> None:
        """Put lists into the sets of an item.

        Raises:
            redis.RedisError: some may not be there.
        """
        span = self._spans.now(self._now_s())
        names: Names = defaultdict(list)
        for member in members:
            names[set_key(member.placement, span, item)].append(member.name)
        self._pipe.run_calls(naming("SADD", names, self._spans.over(span)))

    def remove(self, item: str, members: Iterable[Member]) -> None:
        """Take lists out of the sets of an item.

        Raises:
            redis.RedisError: some may still be there.
        """
        by_placement: dict[str, list[str]] = defaultdict(list)
        for member in members:
            by_placement[member.placement].append(member.name)
        names = {key: those for placement, those in by_placement.items() for key in self._keys(placement, item)}
        self._pipe.run_calls(naming("SREM", names))

    def _keys(self, placement: str, item: str) -> list[SetKey]:
        return [set_key(placement, span, item) for span in self._spans.standing(self._now_s())]


class _Named(NamedTuple):
    """A list as this writer left it.

    Attributes:
        version: of the list.
        items: what it holds.
        span: the span whose sets name it for them.
        written_s: when it was written, in seconds.
        since_s: when it was named for all of them.
    """

    version: str
    items: tuple[str, ...]
    span: int
    written_s: float
    since_s: float


class Own(NamedTuple):
    """A list that a writer has written, as it left it."""

    member: Member
    named: _Named


class IndexedListWriter(ListWriter):
    """Writes lists as `ListWriter` does, names each in the sets of its items before it stands, takes it out of others after.

    That is two more round trips a batch. What a list held is remembered, if it still stands as this writer left it, else
    read. For one thread, beside which one other may call `restate`, `holding` and `let_go`.
    """

    def __init__(
        self, pipe: RedisPipe, ttl_seconds: int, *, remembered: int = REMEMBERED, now_s: Callable[[], float] = time.time
    ) -> None:
        """Take the longest life of a user's list, 0 for ever, and how many lists to remember, half a KiB each."""
        super().__init__(pipe)
        self._spans = Spans(ttl_seconds)
        self._remembered = remembered
        self._now_s = now_s
        self._named: OrderedDict[str, _Named] = OrderedDict()
        self._shrunk: Mapping[str, float] = {}

    def restate(self, items: Iterable[str]) -> None:
        """Take it that members may leave the sets of items, so that a list that holds one is named anew when it is written."""
        now_s = self._now_s()
        kept = {item: at_s for item, at_s in self._shrunk.items() if at_s + RESTATED_AFTER_S > now_s}
        self._shrunk = kept | dict.fromkeys(items, now_s)

    def holding(self, items: Collection[str], since_s: float) -> dict[str, list[Own]]:
        """Return those of some items that lists hold which this writer wrote lately, and these lists.

        They may have left the sets: one that takes names out of them does not know of a list that is being written.
        """
        found: dict[str, list[Own]] = defaultdict(list)
        for key, named in reversed(list(self._named.items())):
            if named.written_s < since_s:
                break  # the list that was written last stands last
            for item in named.items:
                if item in items:
                    found[item].append(Own(Member.of(key), named))
        return found

    def let_go(self, item: str, own: Iterable[Own]) -> None:
        """Take it that lists do not hold an item any more, but for those that were written anew since they were looked up."""
        for member, named in own:
            key = member.key
            if self._named.get(key) is named:
                self._named[key] = named._replace(items=tuple(one for one in named.items if one != item))

    def write(self, lists: Sequence[tuple[str, TopList]], ttl_seconds: int) -> Written:
        """Write (key, list) pairs and return once the server has answered.

        Raises:
            redis.RedisError: some may not be written; the same call can be made again.
        """
        if not lists:
            return Written(0, 0)
        now_s = self._now_s()
        span = self._spans.now(now_s)
        held = {key: _Named(str(one.version), one.places.items, span, now_s, now_s) for key, one in lists}
        before = self._name(held)
        try:
            written = super().write(lists, ttl_seconds)
        except BaseException:
            self._forget(held)
            raise
        if written.refused:  # which of them, nobody has said: another writer is ahead, and knows what it has listed
            self._forget(held)
        else:
            self._take_out(held, before)
            self._remember(held, before)
        return written

    def close(self) -> None:
        """Close the connection."""
        self._pipe.close()

    def _name(self, held: Mapping[str, _Named]) -> dict[str, _Named]:
        """Name lists in the sets of what they will hold, and return what those that stand there are known to hold."""
        known = {key: named for key in held if (named := self._named.get(key))}
        names: Names = defaultdict(list)
        for key, new in held.items():
            placement, name = Member.of(key)
            for item in _unnamed(new, known.get(key), self._shrunk):
                names[set_key(placement, new.span, item)].append(name)
        over = max((self._spans.over(new.span) for new in held.values()), default=0)
        looks: list[Command] = [("GETRANGE", key, 0, HEAD) if key in known else ("GET", key) for key in held]
        stood = dict(zip(held, self._look(looks, naming("SADD", names, over)), strict=True))
        moved = [key for key, named in known.items() if not stood[key].startswith(_head(named.version))]
        found = {key: held[key]._replace(items=_items(stood[key])) for key in held if key not in known and stood[key]}
        if moved:  # another writer, or a server that has lost it: as if never seen
            self._forget(moved)
            known = {key: named for key, named in known.items() if key not in moved}
            found |= self._name({key: held[key] for key in moved})
        return known | found

    def _look(self, looks: Sequence[Command], calls: Sequence[Call]) -> list[Any]:
        """Return what commands answer, and run calls in the same round trip."""
        try:
            return self._pipe.run([*looks, *map(evalsha, calls)])[: len(looks)]
        except redis.exceptions.NoScriptError:
            self._pipe.run_calls(calls)  # which tells the server the script
            return self._pipe.run(looks)

    def _take_out(self, held: Mapping[str, _Named], before: Mapping[str, _Named]) -> None:
        """Take lists out of the sets of what they do not hold any more."""
        left: Names = defaultdict(list)
        for key, old in before.items():
            placement, name = Member.of(key)
            for item in set(old.items).difference(held[key].items):
                left[set_key(placement, old.span, item)].append(name)
        if left:
            self._pipe.run_calls(naming("SREM", left))

    def _remember(self, held: Mapping[str, _Named], before: Mapping[str, _Named]) -> None:
        for key, new in held.items():
            old = before.get(key)
            self._named.pop(key, None)  # so that it comes to stand last
            self._named[key] = new._replace(since_s=old.since_s) if old and _is_recent(old, new) else new
        while len(self._named) > self._remembered:
            self._named.popitem(last=False)

    def _forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._named.pop(key, None)


def _unnamed(new: _Named, known: _Named | None, shrunk: Mapping[str, float]) -> Iterable[str]:
    """Return the items that a list has to be named for."""
    if known is None or not _is_recent(known, new):
        return new.items
    fresh = set(new.items).difference(known.items)
    return fresh.union(item for item in new.items if item in shrunk) if shrunk else fresh


def _is_recent(old: _Named, new: _Named) -> bool:
    return old.span == new.span and new.since_s - old.since_s < RESTATED_AFTER_S


def _head(version: str) -> bytes:
    """Return what a stored list of a version begins with."""
    return b'{"version":"%b"' % version.encode()


def _items(value: bytes) -> tuple[str, ...]:
    """Return the items of a stored list."""
    return tuple(place["item_id"] for place in orjson.loads(value)["items"])
