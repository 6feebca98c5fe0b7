"""A local stack for tests: on free ports, in a folder of its own, used through the command as a user does."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freshet.settings import Settings

PORTS = 20


def free_port_base() -> int:
    """Return the first of twenty neighbouring ports that nobody listens on."""
    for base in range(20_000 + os.getpid() % 400 * 20, 60_000, PORTS):
        if all(_is_free(port) for port in range(base, base + PORTS)):
            return base
    raise RuntimeError("no twenty free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Freshet:
    """Runs `freshet` as a user does."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def run(self, *arguments: str, timeout: float = 900) -> "subprocess.CompletedProcess[str]":
        """Run a command and return what it printed and its exit code."""
        command = [str(Path(sys.executable).with_name("freshet")), *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def __call__(self, *arguments: str, timeout: float = 900) -> str:
        """Run a command that must succeed and return what it printed."""
        done = self.run(*arguments, timeout=timeout)
        assert done.returncode == 0, f"freshet {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout


def without_freshet(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are not ours."""
    return {name: value for name, value in environment.items() if not name.startswith("FRESHET_")}


@contextmanager
def own_stack(**more: str) -> Iterator[tuple["Settings", Freshet]]:
    """Start a stack with topics and schemas for one test alone, beside the run's, and stop it at the end.

    `more` are further variables of its environment.
    """
    from freshet.settings import Local, Settings
    from freshet.stack.stack import Stack

    # A short path: a UNIX socket's name and some of Flink's file names have little room.
    with tempfile.TemporaryDirectory(prefix="freshet-") as folder:
        local = Local(home=Path(folder) / ".freshet", port_base=free_port_base())
        own = {"FRESHET_LOCAL__HOME": str(local.home), "FRESHET_LOCAL__PORT_BASE": str(local.port_base)}
        settings, freshet = Settings(local=local), Freshet(without_freshet(os.environ) | own | more)
        servers = Stack(settings)
        try:
            servers.up()
            freshet("schemas", "register")
            yield settings, freshet
        finally:
            servers.down()
