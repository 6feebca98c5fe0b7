"""What the rows of trends are, by definition: the specification of `udfs/java/freshet/trends`, with no thought of speed.

A row is worked out from all events at once, in the order in which they happened. The operators get them one by one, in
whatever order they arrive; that the results are equal is what the tests prove.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from freshet.udfs.trend_spec import rows_of
from freshet.udfs.trends import CoVisits, FirstSeen, Followers, Popular, Sessions, Together, Trend

NOTHING = 1e-9
"""A count that has decayed to less is none."""


class Visit(NamedTuple):
    """An event of a user with an item, as a trend sees it.

    Attributes:
        subject: the user.
        item: the item.
        time: when, in ms.
        position: orders the events of one instant.
        weight: what it weighs.
        keys: what it counts for: the keys of rows, or the basket that it belongs to; None for nothing.
    """

    subject: str
    item: str
    time: int
    position: int
    weight: float = 1.0
    keys: tuple[str | None, ...] = ()


class Share(NamedTuple):
    """What is added to a row: to a member, or to the row's total where there is none."""

    name: str
    key: str
    member: str | None
    weight: float
    time: int


@dataclass
class DecayedRow:
    """A row: counts that halve with every half-life, as of the time of the newest share.

    >>> row = DecayedRow((1_000.0,))
    >>> row.add("a", 1.0, 0)
    >>> row.add("b", 1.0, 1_000)
    >>> row.counts(), row.as_of
    ({'b': [1.0], 'a': [0.5]}, 1000)
    """

    half_lives_ms: tuple[float, ...]
    members: dict[str | None, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    as_of: int = 0

    def add(self, member: str | None, weight: float, time: int) -> None:
        """Add a weight to a member, or with None to the total, at a time, in whatever order."""
        self.as_of = max(self.as_of, time) if self.members else time
        self.members[member].append((weight, time))

    def totals(self) -> list[float]:
        """Return the row's own count for each half-life."""
        return self._counts_of(self.members.get(None, []))

    def counts(self) -> dict[str, list[float]]:
        """Return the count of each member for each half-life, the highest rates first; what is nothing is left out."""
        counts = {member: self._counts_of(shares) for member, shares in self.members.items() if member is not None}
        there = {
            member: found for member, found in counts.items() if self.rate(found) * self.half_lives_ms[0] > NOTHING
        }
        return dict(sorted(there.items(), key=lambda one: (-self.rate(one[1]), one[0])))

    def rate(self, counts: Sequence[float]) -> float:
        """Return what members are ranked by: events per ms, each half-life's own estimate, added up."""
        return sum(count / life for count, life in zip(counts, self.half_lives_ms, strict=True))

    def _counts_of(self, shares: Iterable[tuple[float, int]]) -> list[float]:
        kept = list(shares)
        return [
            sum(weight * 2.0 ** (-(self.as_of - time) / life) for weight, time in kept) for life in self.half_lives_ms
        ]


def rows(trend: Trend, visits: Iterable[Visit]) -> dict[tuple[str, str], DecayedRow]:
    """Return all rows of a trend, by their names and keys."""
    half_lives = {one.name: tuple(life.total_seconds() * 1000 for life in one.half_lives) for one in rows_of(trend)}
    made: dict[tuple[str, str], DecayedRow] = {}
    for share in shares(trend, visits):
        row = made.setdefault((share.name, share.key), DecayedRow(half_lives[share.name]))
        row.add(share.member, share.weight, share.time)
    return made


def shares(trend: Trend, visits: Iterable[Visit]) -> Iterator[Share]:
    """Yield what visits bring to the rows of a trend."""
    if isinstance(trend, Popular):
        yield from popular(trend, visits)
    elif isinstance(trend, Followers | CoVisits):
        for history in by_user(visits):
            yield from pairs(trend, history)
    elif isinstance(trend, Together):
        for history in by_user(visits):
            yield from together(trend, history)


def popular(trend: Popular, visits: Iterable[Visit]) -> Iterator[Share]:
    """Yield what visits bring to what is popular."""
    for visit in visits:
        for key in visit.keys:
            if key is not None:
                yield Share(trend.name, key, None, visit.weight, visit.time)
                yield Share(trend.name, key, visit.item, visit.weight, visit.time)


def pairs(trend: Followers | CoVisits, history: Sequence[Visit]) -> Iterator[Share]:
    """Yield what the visits of one user, in order, bring to the rows of followers or of items visited together."""
    for at, second in enumerate(history):
        yield Share(trend.name, second.item, None, second.weight, second.time)
        for gap, first in enumerate(reversed(history[max(0, at - trend.last) : at]), start=1):
            if first.item == second.item:
                continue
            if isinstance(trend, Followers):
                yield Share(trend.name, first.item, second.item, second.weight / gap, second.time)
            else:
                share = second.weight * (trend.beyond + 1) / (trend.beyond + gap)
                yield Share(trend.name, first.item, second.item, share, second.time)
                yield Share(trend.name, second.item, first.item, share * trend.backwards, second.time)


def together(trend: Together, history: Sequence[Visit]) -> Iterator[Share]:
    """Yield what the purchases of one user, in order, bring to the rows of items bought together."""
    baskets: dict[str, dict[str, int]] = defaultdict(dict)
    for visit in history:
        (basket,) = visit.keys
        if basket is not None:
            baskets[basket][visit.item] = visit.time
    for items in baskets.values():
        yield Share(trend.baskets, "all", None, 1.0, max(items.values()))
        for item, time in items.items():
            yield Share(trend.name, item, None, 1.0, time)
            yield Share(trend.baskets, "all", item, 1.0, time)
            yield from (
                Share(trend.name, item, other, 1.0, max(time, at)) for other, at in items.items() if other != item
            )


def sessions(trend: Sessions, visits: Iterable[Visit]) -> set[tuple[int, tuple[str, ...]]]:
    """Return the ends and items of all sessions of more than one item, also of those that may still go on."""
    found = set()
    for history in by_user(visits):
        for run in runs(history, trend.gap.total_seconds() * 1000):
            latest = run[-trend.longest :]
            items = tuple(reversed(dict.fromkeys(visit.item for visit in reversed(latest))))
            if len(items) >= trend.shortest:
                found.add((run[-1].time, items))
    return found


def runs(history: Sequence[Visit], gap_ms: float) -> Iterator[list[Visit]]:
    """Yield the visits of each session of a user."""
    run: list[Visit] = []
    for visit in history:
        if run and visit.time - run[-1].time > gap_ms:
            yield run
            run = []
        run.append(visit)
    if run:
        yield run


def first_seen(trend: FirstSeen, visits: Iterable[Visit]) -> dict[str, int]:
    """Return the items that were seen first last, each with the time of its first event."""
    first: dict[str, int] = {}
    for visit in visits:
        first[visit.item] = min(first.get(visit.item, visit.time), visit.time)
    newest = sorted(first.items(), key=lambda one: (-one[1], one[0]))
    return dict(newest[: trend.capacity])


def by_user(visits: Iterable[Visit]) -> Iterator[list[Visit]]:
    """Yield the visits of each user in the order in which they happened."""
    histories: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        histories[visit.subject].append(visit)
    for history in histories.values():
        yield sorted(history, key=lambda visit: (visit.time, visit.position))
