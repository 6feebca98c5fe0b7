"""The grammar of Freshet's own Redis keys; Feast's keys are in `udfs/feast_layout.py`.

    topn:<placement>:{<subject>}     a user's list
    hot:<placement>[:<segment>]      the list for everyone, or for a segment
    rules:{<subject>}                the rules that act for a user

Braces keep all keys of a subject in one slot of a Redis cluster.
"""

import re
from dataclasses import dataclass

NAME = re.compile(r"[a-z0-9_-]+")
SUBJECT = re.compile(r"[A-Za-z0-9_-]+")


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
