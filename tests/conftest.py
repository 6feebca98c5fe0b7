"""The local stack for tests that need real servers: started once a run, in a folder and on ports of its own."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_stack import Freshet, free_port_base, without_freshet

if TYPE_CHECKING:
    from freshet.settings import Settings
    from freshet.stack.stack import Stack

pytest_plugins = ["local_flink"]


@pytest.fixture(scope="session")
def stack_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment variables of a stack that is this run's alone."""
    # A short path: a UNIX socket's name and some of Flink's file names have little room.
    with tempfile.TemporaryDirectory(prefix="freshet-") as home:
        own = {"FRESHET_LOCAL__HOME": str(Path(home) / ".freshet"), "FRESHET_LOCAL__PORT_BASE": str(free_port_base())}
        yield without_freshet(os.environ) | own


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
