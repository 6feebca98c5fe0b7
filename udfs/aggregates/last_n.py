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
