"""What every part of the stack has in common."""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from freshet.settings import Settings
from freshet.stack.home import Home
from freshet.stack.java import Java
from freshet.stack.ports import HOST
from freshet.stack.process import Record


@dataclass(frozen=True)
class Kit:
    """What a part is given to start with."""

    java: Java
    artefacts: tuple[Path, ...]
    """The files of its group in `jars.lock`."""
    tag: str
    """A name that no other start of the part has."""


class Part(ABC):
    """A process of the stack: how it is made ready, started, and known to work."""

    name: str
    after: ClassVar[tuple[str, ...]] = ()
    """The parts that must work before this one is started."""
    group: ClassVar[str | None] = None
    """Its artefacts in `jars.lock`."""
    start_timeout_s: ClassVar[float] = 120.0
    stop_grace_s: ClassVar[float] = 20.0

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self.home = home

    @property
    @abstractmethod
    def ports(self) -> tuple[int, ...]:
        """The loopback ports that it listens on, the one that clients use first."""

    @abstractmethod
    def prepare(self, kit: Kit) -> None:
        """Write what it needs to start; safe to repeat."""

    @abstractmethod
    def command(self, kit: Kit) -> list[str]:
        """Return the command line that runs it in the foreground."""

    @abstractmethod
    def is_healthy(self, record: Record) -> bool:
        """Ask it, once and briefly, for something that only a working one can answer."""

    def environment(self, kit: Kit) -> dict[str, str]:
        """Return its environment."""
        return dict(os.environ)

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"{HOST}:{self.ports[0]}"

    @property
    def record_file(self) -> Path:
        """Where its process is written down."""
        return self.home.run / f"{self.name}.json"

    @property
    def output(self) -> Path:
        """The file that it writes to by its standard output and error."""
        return self.home.logs / f"{self.name}.log"

    @property
    def log(self) -> Path:
        """The file to read when something is wrong."""
        return self.output

    def record(self) -> Record | None:
        """Return what was written down when it was last started."""
        return Record.read(self.record_file)

    def runs(self) -> bool:
        """Tell whether the process that was last started still lives."""
        record = self.record()
        return record is not None and record.leader() is not None
