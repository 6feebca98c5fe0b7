"""The grammar of Freshet's own Redis keys; Feast's keys are in `udfs/feast_layout.py`.

    topn:<placement>:{<subject>}     a user's list
    hot:<placement>[:<segment>]      the list for everyone, or for a segment
    rules:{<subject>}                the rules that act for a user
    holds:{<bucket>}:<placement>:<span>:<item>   the subjects whose lists held an item in a span of time
    trend:<name>                     the set of a trend: its rows' keys by their last change, or sessions, or new items
    trend:<name>:<key>               a row of a trend

Braces keep all keys of a subject in one slot of a Redis cluster.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, unquote
from zlib import crc32

NAME = re.compile(r"[a-z0-9_-]+")
SUBJECT = re.compile(r"[A-Za-z0-9_-]+")
BUCKETS = 16
"""Sets of holders lie in so many slots of a cluster at most."""


class NotAKey(ValueError):
    """The text is not a key of this grammar, or a part may not stand in one."""


def _checked(pattern: re.Pattern[str], part: str, what: str) -> str:
    if not pattern.fullmatch(part):
        raise NotAKey(f"{part!r} cannot be a {what}: it must match {pattern.pattern}")
    return part


@dataclass(frozen=True)
class TopN:
    """The key of one user's list.

    >>> TopN("home", "Zm9v").encode()
    'topn:home:{Zm9v}'
    >>> TopN.decode("topn:home:{Zm9v}")
    TopN(placement='home', subject='Zm9v')
    """

    placement: str
    subject: str

    def encode(self) -> str:
        """Return the key.

        Raises:
            NotAKey: a part holds a character that the grammar does not allow.
        """
        placement = _checked(NAME, self.placement, "placement")
        return f"topn:{placement}:{{{_checked(SUBJECT, self.subject, 'subject')}}}"

    @classmethod
    def decode(cls, key: str) -> "TopN":
        """Read a key back.

        Raises:
            NotAKey: the text is not such a key.
        """
        match = re.fullmatch(rf"topn:({NAME.pattern}):\{{({SUBJECT.pattern})\}}", key)
        if not match:
            raise NotAKey(f"{key!r} is not topn:<placement>:{{<subject>}}")
        return cls(*match.groups())


@dataclass(frozen=True)
class Hot:
    """The key of a fallback list.

    >>> Hot("home").encode(), Hot("home", "grocery").encode()
    ('hot:home', 'hot:home:grocery')
    """

    placement: str
    segment: str | None = None

    def encode(self) -> str:
        """Return the key.

        Raises:
            NotAKey: a part holds a character that the grammar does not allow.
        """
        key = f"hot:{_checked(NAME, self.placement, 'placement')}"
        return key if self.segment is None else f"{key}:{_checked(NAME, self.segment, 'segment')}"

    @classmethod
    def decode(cls, key: str) -> "Hot":
        """Read a key back.

        Raises:
            NotAKey: the text is not such a key.
        """
        match = re.fullmatch(rf"hot:({NAME.pattern})(?::({NAME.pattern}))?", key)
        if not match:
            raise NotAKey(f"{key!r} is not hot:<placement>[:<segment>]")
        return cls(*match.groups())


@dataclass(frozen=True)
class Rules:
    """The key of the rules that act for one user.

    >>> Rules("Zm9v").encode()
    'rules:{Zm9v}'
    """

    subject: str

    def encode(self) -> str:
        """Return the key.

        Raises:
            NotAKey: the subject holds a character that the grammar does not allow.
        """
        return f"rules:{{{_checked(SUBJECT, self.subject, 'subject')}}}"

    @classmethod
    def decode(cls, key: str) -> "Rules":
        """Read a key back.

        Raises:
            NotAKey: the text is not such a key.
        """
        match = re.fullmatch(rf"rules:\{{({SUBJECT.pattern})\}}", key)
        if not match:
            raise NotAKey(f"{key!r} is not rules:{{<subject>}}")
        return cls(match[1])


@dataclass(frozen=True)
class Holds:
    """The key of the set of those whose lists held an item in a span of time; any text is an item, percent-encoded.

    The bucket follows from the item. It is what a Redis cluster hashes: keys of one bucket can be written together.

    >>> Holds("home", 7, "a {b}").encode()
    'holds:{11}:home:7:a%20%7Bb%7D'
    >>> Holds.decode("holds:{11}:home:7:a%20%7Bb%7D")
    Holds(placement='home', span=7, item='a {b}')
    """

    placement: str
    span: int
    item: str

    def encode(self) -> str:
        """Return the key.

        Raises:
            NotAKey: the placement holds a character that the grammar does not allow, the span is below 0, or the item is
                empty or no text.
        """
        placement = _checked(NAME, self.placement, "placement")
        if self.span < 0 or not self.item:
            raise NotAKey(f"span {self.span} and item {self.item!r} cannot be in a key")
        try:
            bucket = crc32(self.item.encode()) % BUCKETS
        except UnicodeEncodeError:
            raise NotAKey(f"{self.item!r} cannot be an item: it is no text") from None
        return f"holds:{{{bucket}}}:{placement}:{self.span}:{quote(self.item, safe='')}"

    @classmethod
    def decode(cls, key: str) -> "Holds":
        """Read a key back.

        Raises:
            NotAKey: the text is not such a key.
        """
        match = re.fullmatch(rf"holds:\{{[0-9]+\}}:({NAME.pattern}):(0|[1-9][0-9]*):([A-Za-z0-9_.~%-]+)", key)
        if match:
            with suppress(UnicodeDecodeError):
                found = cls(match[1], int(match[2]), unquote(match[3], errors="strict"))
                if found.encode() == key:
                    return found
        raise NotAKey(f"{key!r} is not holds:{{<bucket>}}:<placement>:<span>:<item>")


@dataclass(frozen=True)
class TrendSet:
    """The key of a trend's sorted set: of its rows' keys in the order of their last change, or of what the trend holds.

    >>> TrendSet("sessions").encode()
    'trend:sessions'
    """

    name: str

    def encode(self) -> str:
        """Return the key.

        Raises:
            NotAKey: the name holds a character that the grammar does not allow.
        """
        return f"trend:{_checked(NAME, self.name, 'trend')}"

    @classmethod
    def decode(cls, key: str) -> "TrendSet":
        """Read a key back.

        Raises:
            NotAKey: the text is not such a key.
        """
        match = re.fullmatch(rf"trend:({NAME.pattern})", key)
        if not match:
            raise NotAKey(f"{key!r} is not trend:<name>")
        return cls(match[1])


@dataclass(frozen=True)
class TrendRow:
    """The key of a row of a trend; any text is a row's own key, percent-encoded but for colons.

    >>> TrendRow("popular", "category:hot drinks").encode()
    'trend:popular:category:hot%20drinks'
    >>> TrendRow.decode("trend:popular:category:hot%20drinks")
    TrendRow(name='popular', key='category:hot drinks')
    """

    name: str
    key: str

    def encode(self) -> str:
        """Return the key.

        Raises:
            NotAKey: the name holds a character that the grammar does not allow, or the row's key is empty or no text.
        """
        name = _checked(NAME, self.name, "trend")
        if not self.key:
            raise NotAKey("a row has a key")
        try:
            return f"trend:{name}:{quote(self.key, safe=':')}"
        except UnicodeEncodeError:
            raise NotAKey(f"{self.key!r} cannot be the key of a row: it is no text") from None

    @classmethod
    def decode(cls, key: str) -> "TrendRow":
        """Read a key back.

        Raises:
            NotAKey: the text is not such a key.
        """
        match = re.fullmatch(rf"trend:({NAME.pattern}):([A-Za-z0-9_.~:%-]+)", key)
        if match:
            with suppress(UnicodeDecodeError):
                found = cls(match[1], unquote(match[2], errors="strict"))
                if found.encode() == key:
                    return found
        raise NotAKey(f"{key!r} is not trend:<name>:<key>")
