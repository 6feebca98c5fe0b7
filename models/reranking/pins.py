"""Items that have a place of their own."""

from collections.abc import Mapping


def pinned(wanted: Mapping[int, int], size: int) -> dict[int, int]:
    """Return which candidate stands on which place, both from 0.

    A place behind the end of a short list becomes one of its last, in the order of the pins; of more pins than places
    the first ones stay.

    Args:
        wanted: place, from 0 -> candidate.
        size: places of the list.

    >>> pinned({0: 8, 30: 5, 40: 6}, size=20)
    {0: 8, 18: 5, 19: 6}
    """
    places = sorted(wanted)[:size]
    return {min(place, size - len(places) + number): wanted[place] for number, place in enumerate(places)}
