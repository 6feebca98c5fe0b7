"""What a candidate source is: from a user's state to items that may be worth a score, each with the reason why.

A source never sees a user's id and never waits: it reads tables in memory. That takes tens of microseconds; every source
stays below three milliseconds at the 99th percentile.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from freshet.models.user_state import NOTHING, Ints, UserState

Floats = NDArray[np.float32]


class Evidence(NamedTuple):
    """Why a source proposed an item.

    Attributes:
        kind: `items`, `session`, `trend`, `segment`, `rule`, `content`, `vector` or `habit`.
        items: indices of the items behind it, the strongest first; may be empty.
        text: a clause for a person, such as `often bought with`; the item's title is added by who prints it.
        strength: the number behind it, in the source's own scale: a confidence, a cosine, a count.
    """

    kind: str
    items: tuple[int, ...]
    text: str
    strength: float


Because = Callable[[Sequence[int]], list[Evidence]]
"""Called once with those items found that end up on a list; only for these few is it worked out."""


def each(tell: Callable[[int], Evidence]) -> Because:
    """Return what tells the evidence of items one by one."""
    return lambda items: [tell(item) for item in items]


class Found(NamedTuple):
    """Candidates of one source for one user.

    Attributes:
        items: int64 [n], none twice, none 0, best first.
        scores: float32 [n], above 0 and falling; each source has a scale of its own.
        because: tells the evidence of some of them.
    """

    items: Ints
    scores: Floats
    because: Because


def nothing_found() -> Found:
    """Return that there are no candidates."""
    return Found(NOTHING, np.zeros(0, np.float32), lambda _: [])


def found_by_number(items: Ints, scores: Floats, kind: str, text: str, strengths: NDArray[Any]) -> Found:
    """Return candidates that no other items are behind, only a number each: a count, a growth, an age.

    Args:
        items: int64 [n], best first.
        scores: float32 [n].
        kind: of the evidence.
        text: of the evidence.
        strengths: [n], the number behind each.
    """

    def because(listed: Sequence[int]) -> list[Evidence]:
        strength_of = dict(zip(items.tolist(), strengths.tolist(), strict=True))
        return [Evidence(kind, (), text, float(strength_of[item])) for item in listed]

    return Found(items, scores, because)


class Source(Protocol):
    """Proposes candidates."""

    @property
    def name(self) -> str:
        """The name that a list, a metric and the configuration use: lower-case words joined by hyphens."""

    def candidates(self, user: UserState, k: int) -> Found:
        """Return at most k candidates; what the user has seen or bought may be among them, filters come later."""


class Learner(Protocol):
    """What learns from each event in process, as the trends job does for all workers."""

    def learn(self, user: UserState, item: int, weight: float) -> None:
        """Take in that the user, as he was before it, had an event with an item at `user.now_ms`."""


def best(scores: NDArray[Any], k: int) -> Ints:
    """Return the positions of the k largest scores above 0, largest first, equal ones in order: int64 [n].

    >>> best(np.array([0.0, 2.0, 1.0, 2.0]), 2)
    array([1, 3])
    """
    there = np.flatnonzero(scores > 0)
    if len(there) > k:
        there = there[np.argpartition(-scores[there], k - 1)[:k]]
        there.sort()
    return there[np.argsort(-scores[there], kind="stable")]
