"""The local stack for tests that need real servers: started once a run, in a folder and on ports of its own."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from freshet.settings import Settings
    from freshet.stack.stack import Stack

pytest_plugins = ["local_flink"]

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


@pytest.fixture(scope="session")
def stack_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment variables of a stack that is this run's alone."""
    # A short path: a UNIX socket's name and some of Flink's file names have little room.
    with tempfile.TemporaryDirectory(prefix="freshet-") as home:
        own = {"FRESHET_LOCAL__HOME": str(Path(home) / ".freshet"), "FRESHET_LOCAL__PORT_BASE": str(free_port_base())}
        yield {name: value for name, value in os.environ.items() if not name.startswith("FRESHET_")} | own


@pytest.fixture(scope="session")
def freshet(stack_environment: dict[str, str]) -> Freshet:
    """The command `freshet`, run against this run's stack."""
    return Freshet(stack_environment)


@pytest.fixture(scope="session")
def settings(stack_environment: dict[str, str]) -> Iterator["Settings"]:
    """The settings of this run's stack; the variables hold for this process too."""
    from freshet.settings import load_settings

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("FRESHET_")]:
            patch.delenv(name)
        for name in ("FRESHET_LOCAL__HOME", "FRESHET_LOCAL__PORT_BASE"):
            patch.setenv(name, stack_environment[name])
        load_settings.cache_clear()
        yield load_settings()
    load_settings.cache_clear()


@pytest.fixture(scope="session")
def stack(settings: "Settings", freshet: Freshet) -> Iterator["Stack"]:
    """The running stack with topics and schemas."""
    from freshet.stack.stack import Stack

    servers = Stack(settings)
    try:
        servers.up()
        freshet("schemas", "register")
        yield servers
    finally:
        servers.down()
