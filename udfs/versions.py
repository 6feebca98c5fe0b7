"""What orders the values of one key in the store, and what came of writing them."""

from dataclasses import dataclass
from typing import NamedTuple


class Version(NamedTuple):
    """What orders the values of one entity: the instant that they hold for, then how many events they hold."""

    as_of: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.as_of}-{self.sequence}"


@dataclass(frozen=True)
class Written:
    """How many entities a batch wrote, and how many it did not because newer values stood there."""

    accepted: int
    refused: int

    def __add__(self, other: "Written") -> "Written":
        return Written(self.accepted + other.accepted, self.refused + other.refused)
