"""What an aggregate is: a state that takes events in any order, and that can be cut into parts and joined again.

The classes of this package say in plain Python what the Java classes of `udfs/java/` compute inside Flink. Tests hold
the one to the other, and both to the definition over the full list of events.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Value = TypeVar("Value")
Brought = TypeVar("Brought", covariant=True)
Taken = TypeVar("Taken", contravariant=True)
State = TypeVar("State")
Result = TypeVar("Result", covariant=True)


@dataclass(frozen=True, slots=True)
class Event(Generic[Brought]):
    """What one event brings to a feature.

    Time is in milliseconds. A value of None, one that the feature's filter leaves out, adds nothing; it only keeps a
    session alive. `position` orders the events of one instant: no two events of a key share both.
    """

    time: int
    value: Brought | None
    position: int = 0


class Aggregate(Protocol[Taken, State, Result]):
    """Four verbs over a state of plain tuples, and when its value ends; the object itself is frozen configuration.

    `merge` is associative and commutative with `zero` as its identity, and `add` is the merge with a single event. So
    events may come late, and a state may be split and joined, without any of it showing in the result.

    `now` is the instant in milliseconds for which a value is asked, never older than any event in the state.
    """

    def zero(self) -> State:
        """Return the state before the first event."""
        ...

    def add(self, state: State, event: Event[Taken]) -> State:
        """Return the state with one event more."""
        ...

    def merge(self, one: State, other: State) -> State:
        """Return the state of the events of both."""
        ...

    def result(self, state: State, now: int) -> Result:
        """Return the feature's value at `now`."""
        ...

    def expiry(self, state: State, now: int) -> int | None:
        """Return the first instant after `now` at which nothing that is in the value now is left.

        None if there is nothing in it now, or if something always stays.
        """
        ...


def state_after(aggregate: Aggregate[Value, State, Result], events: Iterable[Event[Value]]) -> State:
    """Return the state of an aggregate after these events."""
    state = aggregate.zero()
    for event in events:
        state = aggregate.add(state, event)
    return state


def number(value: object) -> float:
    """Return a value as a number; what is not a float counts as 1.0.

    >>> number(2.5), number("a page")
    (2.5, 1.0)
    """
    return value if isinstance(value, float) else 1.0
