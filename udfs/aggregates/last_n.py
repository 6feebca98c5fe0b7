"""The latest values."""

from dataclasses import dataclass

from freshet.udfs.aggregates.aggregate import Event

Latest = tuple[tuple[int, int, str], ...]
"""(time, position, value) of up to n events, newest first."""


@dataclass(frozen=True)
class LastN:
    """The values of the `n` latest events that have one, newest first; events of one instant stand in log order.

    >>> items = LastN(n=2)
    >>> state = items.zero()
    >>> for time, item in (10, "a"), (30, "c"), (20, "b"), (40, None):
    ...     state = items.add(state, Event(time, item))
    ...     print(items.result(state))
    ['a']
    ['c', 'a']
    ['c', 'b']
    ['c', 'b']
    """

    n: int

    def zero(self) -> Latest:
        """Return no events."""
        return ()

    def add(self, state: Latest, event: Event[str]) -> Latest:
        """Return the latest with one event more."""
        return state if event.value is None else self.merge(state, ((event.time, event.position, event.value),))

    def merge(self, one: Latest, other: Latest) -> Latest:
        """Return the latest of both."""
        return tuple(sorted(one + other, reverse=True)[: self.n])

    def result(self, state: Latest) -> list[str]:
        """Return the values."""
        return [value for _, _, value in state]


@dataclass(frozen=True)
class LastNDistinct(LastN):
    """The `n` values seen last, each once and newest first; a value stands where its latest event stands.

    >>> categories = LastNDistinct(n=2)
    >>> state = categories.zero()
    >>> for time, category in (10, "a"), (30, "c"), (20, "c"), (40, "a"), (35, "b"):
    ...     state = categories.add(state, Event(time, category))
    ...     print(categories.result(state))
    ['a']
    ['c', 'a']
    ['c', 'a']
    ['a', 'c']
    ['a', 'b']
    """

    def merge(self, one: Latest, other: Latest) -> Latest:
        """Return the latest of both."""
        newest: dict[str, tuple[int, int, str]] = {}
        for event in sorted(one + other):
            newest[event[2]] = event
        return tuple(sorted(newest.values(), reverse=True)[: self.n])
