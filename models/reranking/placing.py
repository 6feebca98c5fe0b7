"""Fills a list place by place: the candidate with the highest gain that breaks no rule, or the mildest ones."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from freshet.models.reranking.diversity import Order
from freshet.models.reranking.pool import Bools, Floats

PIN = "pin"


class PlaceRule(Protocol):
    """Says who may come to a place, given those on the others. It is soft: it gives way rather than leave a place empty."""

    @property
    def name(self) -> str:
        """What an explanation calls it."""

    def at(self, place: int) -> None:
        """Take it that a place, from 0, is to be filled."""

    def breaks(self, position: int) -> bool:
        """Tell whether a candidate would break the rule on this place."""

    def broken(self) -> Bools | None:
        """Tell which candidates would, bool [n]; None where none would."""

    def take(self, place: int, position: int) -> None:
        """Take it that a candidate has a place."""


class Withheld:
    """Bars some candidates from all places."""

    def __init__(self, name: str, members: Bools) -> None:
        """Take the rule's name, and whom it bars, bool [n]."""
        self.name = name
        self.members = members

    def at(self, place: int) -> None:
        """Take it that a place is to be filled: all are alike."""

    def breaks(self, position: int) -> bool:
        """Tell whether a candidate is barred."""
        return bool(self.members[position])

    def broken(self) -> Bools | None:
        """Tell who is barred, bool [n]."""
        return self.members

    def take(self, place: int, position: int) -> None:
        """Take it that a candidate has a place: it changes nothing."""


class Choice(NamedTuple):
    """A candidate for a place, the rules that bar one with a higher gain, and those that it breaks itself."""

    position: int
    lifted: tuple[str, ...] = ()
    relaxed: tuple[str, ...] = ()


class Placed(NamedTuple):
    """A list, and what made it so.

    Attributes:
        positions: the candidate on each place.
        lifted: for each place the rules that lifted its candidate over one with a higher gain; `pin` for a pinned one.
        relaxed: for each place the rules that its candidate breaks.
    """

    positions: list[int]
    lifted: list[tuple[str, ...]]
    relaxed: list[tuple[str, ...]]


def filled(size: int, order: Order, rules: Sequence[PlaceRule], pins: Mapping[int, int]) -> Placed:
    """Return a list without a gap.

    Args:
        size: places; there are at least as many candidates with a gain, or a pin, as places.
        order: what the candidates gain.
        rules: the softest first.
        pins: place, from 0 -> candidate, which has no gain.
    """
    placed = Placed([], [], [])
    for place in range(size):
        if place in pins:
            chosen = Choice(pins[place], lifted=(PIN,))
        else:
            for rule in rules:
                rule.at(place)
            chosen = choice(order.gains, rules)
        if place + 1 < size:
            order.take(chosen.position)
            for rule in rules:
                rule.take(place, chosen.position)
        placed.positions.append(chosen.position)
        placed.lifted.append(chosen.lifted)
        placed.relaxed.append(chosen.relaxed)
    return placed


def choice(gains: Floats, rules: Sequence[PlaceRule]) -> Choice:
    """Return the candidate for a place.

    Of two candidates the one comes that breaks the milder rules; of those that break the same, the one with the higher gain.
    """
    best = int(gains.argmax())
    lifting = _broken_by(best, rules)
    if not lifting:
        return Choice(best)
    position, breaking, open_to = best, lifting, gains.copy()
    while breaking:  # each turn closes the place to all who break one more rule
        for rule in breaking:
            open_to[rule.broken()] = -np.inf
        position = int(open_to.argmax())
        if open_to[position] == -np.inf:
            return _mildest(gains, rules, best)
        breaking = _broken_by(position, rules)
    return Choice(position, _names(lifting))


def _mildest(gains: Floats, rules: Sequence[PlaceRule], best: int) -> Choice:
    cost = np.zeros(len(gains), np.int64)
    for number, rule in enumerate(rules):
        if (broken := rule.broken()) is not None:
            cost += broken.astype(np.int64) << number
    position = int(np.where(cost == cost[gains > -np.inf].min(), gains, -np.inf).argmax())
    lifting = () if position == best else _names(_broken_by(best, rules))
    return Choice(position, lifting, _names(_broken_by(position, rules)))


def _broken_by(position: int, rules: Sequence[PlaceRule]) -> list[PlaceRule]:
    return [rule for rule in rules if rule.breaks(position)]


def _names(rules: Sequence[PlaceRule]) -> tuple[str, ...]:
    return tuple(rule.name for rule in rules)
