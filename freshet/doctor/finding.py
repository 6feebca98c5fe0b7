"""What was found, one sentence a fact; a finding that is not ok says what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from freshet.errors import FreshetError

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    subject: str
    level: Level
    text: str


def ok(subject: str, text: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(subject, "ok", text)


def warning(subject: str, text: str) -> Finding:
    """Return a finding that somebody should know of; the system works."""
    return Finding(subject, "warning", text)


def problem(subject: str, text: str) -> Finding:
    """Return a finding that keeps something from working."""
    return Finding(subject, "problem", text)


def found(subject: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a look finds; where it cannot even look, the reason is the problem."""
    try:
        return list(look())
    except FreshetError as error:
        return [problem(subject, str(error))]


def span(seconds: float) -> str:
    """Return a time in words.

    >>> span(3.2), span(600), span(90_000), span(864_000)
    ('3 s', '10 min', '25 h', '10 days')
    """
    for unit, name in ((172_800, "days"), (7_200, "h"), (120, "min")):
        if seconds >= unit:
            return f"{seconds / {'days': 86_400, 'h': 3_600, 'min': 60}[name]:.0f} {name}"
    return f"{seconds:.0f} s"


def size(count: float) -> str:
    """Return a number of bytes in words.

    >>> size(512), size(20_480), size(3 << 30)
    ('512 B', '20 KiB', '3.0 GiB')
    """
    if count < 1 << 10:
        return f"{count:.0f} B"
    if count < 1 << 20:
        return f"{count / (1 << 10):.0f} KiB"
    return f"{count / (1 << 20):.0f} MiB" if count < 1 << 30 else f"{count / (1 << 30):.1f} GiB"
