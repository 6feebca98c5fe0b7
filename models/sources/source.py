"""What a candidate source is: from a user's state to items that may be worth a score, each with the reason why.

A source never sees a user's id and never waits: it reads tables in memory. That takes tens of microseconds; every source
stays below three milliseconds at the 99th percentile.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from freshet.models.compiled import INT, REAL32, array, compiled, strided
from freshet.models.user_state import NOTHING, Ints, Reals, Users, UserState

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


class Reasons(NamedTuple):
    """The evidence of m places, as columns.

    Attributes:
        clauses: kinds and texts of evidence, each pair once.
        which: int64 [m], the clause of each place.
        items: int64 [m, n], the items behind each, the strongest first, 0 behind the last.
        strengths: float64 [m].
    """

    clauses: Sequence[tuple[str, str]]
    which: Ints
    items: Ints
    strengths: Reals

    @classmethod
    def alike(cls, kind: str, text: str, items: Ints, strengths: NDArray[Any]) -> "Reasons":
        """Return evidence of one kind and text."""
        return cls([(kind, text)], np.zeros(len(strengths), np.int64), items, strengths.astype(np.float64))

    @classmethod
    def of(cls, evidence: Sequence[Evidence]) -> "Reasons":
        """Return evidence that was told place by place."""
        code_of: dict[tuple[str, str], int] = {}
        which = [code_of.setdefault((one.kind, one.text), len(code_of)) for one in evidence]
        items = np.zeros((len(evidence), max((len(one.items) for one in evidence), default=0)), np.int64)
        for row, one in zip(items, evidence, strict=True):
            row[: len(one.items)] = one.items
        return cls(list(code_of), np.array(which, np.int64), items, np.array([one.strength for one in evidence]))

    def told(self) -> list[Evidence]:
        """Return the evidence place by place."""
        columns = zip(self.which.tolist(), self.items.tolist(), self.strengths.tolist(), strict=True)
        clauses = self.clauses
        return [Evidence(clauses[at][0], tuple(filter(None, items)), clauses[at][1], by) for at, items, by in columns]


Told = Callable[[Ints, Ints], Reasons]
"""Called once for a batch with the users, as rows, and the items that end up on their lists, both int64 [m]."""


class Finds(NamedTuple):
    """Candidates of one source for the B users of a batch.

    Attributes:
        items: int64 [B, n], best first, 0 behind the last one of each user.
        scores: float32 [B, n], falling, 0 behind the last.
        because: tells the evidence of some of them.
    """

    items: Ints
    scores: Floats
    because: Told


@runtime_checkable
class BatchSource(Source, Protocol):
    """A source that finds candidates for a whole batch at once: what it costs to begin is then paid once a batch."""

    def finds(self, users: Users, k: int) -> Finds:
        """Return at most k candidates for each user, those that `candidates` returns."""


def asked_one_by_one(find: Callable[[UserState], Found], users: Users, k: int) -> Finds:
    """Return what a source finds for each user of a batch, asked in turn."""
    found = [find(user) for user in users.states]
    items, scores = np.zeros((len(found), k), np.int64), np.zeros((len(found), k), np.float32)
    for one, row, those in zip(found, items, scores, strict=True):
        row[: len(one.items)], those[: len(one.items)] = one.items, one.scores

    def because(rows: Ints, listed: Ints) -> Reasons:
        order = np.argsort(rows, kind="stable")
        told = list[tuple[int, Evidence]]()
        for places in np.split(order, np.flatnonzero(np.diff(rows[order])) + 1):
            if len(places):
                evidence = found[rows[places[0]]].because(listed[places].tolist())
                told += zip(places.tolist(), evidence, strict=True)
        return Reasons.of([evidence for _, evidence in sorted(told, key=lambda pair: pair[0])])

    return Finds(items, scores, because)


@compiled((strided(INT, 2), strided(REAL32, 2), array(INT), array(INT)))
def scores_of(items: Ints, scores: Floats, rows: Ints, listed: Ints) -> Floats:
    """Return the scores of items that were found: float32 [m]; the first arrays are those of `Finds`."""
    found = np.zeros(len(rows), np.float32)
    for at in range(len(rows)):
        row = rows[at]
        for place in range(items.shape[1]):
            if items[row, place] == listed[at]:
                found[at] = scores[row, place]
                break
    return found


def told_by_number(items: Ints, strengths: Floats, kind: str, text: str) -> Told:
    """Return what tells evidence that no other items are behind, only a number each: [B, n], beside the items."""

    def because(rows: Ints, listed: Ints) -> Reasons:
        nothing_behind = np.zeros((len(listed), 0), np.int64)
        return Reasons.alike(kind, text, nothing_behind, scores_of(items, strengths, rows, listed))

    return because


class Learner(Protocol):
    """What learns from each event in process, as the trends job does for all workers."""

    def learn(self, user: UserState, item: int, weight: float) -> None:
        """Take in that the user, as he was before it, had an event with an item at `user.now_ms`."""
