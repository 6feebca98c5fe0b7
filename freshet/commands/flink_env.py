"""`freshet flink-env`: the environment of Flink's own client, for a shell."""

import os
import shlex
from collections.abc import Iterator, Mapping

import typer

from freshet.settings import load_settings
from freshet.stack.stack import Stack

NAMES = ("JAVA_HOME", "PATH", "HOSTNAME")
PREFIXES = ("FLINK_", "FRESHET_")


def flink_env() -> None:
    """Print lines that make a shell find the stack's Flink: [bold]eval "$(freshet flink-env)"[/bold].

    Afterwards [bold]flink list[/bold], [bold]flink run --python jobs/ingest.py[/bold] and the like work there.
    """
    stack = Stack(load_settings())
    for line in lines(os.environ, stack.flink_environment(), stack.flink_command()):
        typer.echo(line)


def lines(shell: Mapping[str, str], flink: Mapping[str, str], client: list[str]) -> Iterator[str]:
    """Yield what turns a shell's environment into that of Flink's client.

    What the shell exports already is left out, so that no secret of it is printed. What would mislead Flink's scripts
    is taken away. The client's script comes without the right to be executed, so `flink` becomes a function.

    >>> shell = {"HOME": "/me", "FLINK_HOME": "/other", "FRESHET_REDIS__URL": "redis://:secret@store"}
    >>> flink = {"HOME": "/me", "FLINK_CONF_DIR": "/my conf", "FRESHET_REDIS__URL": "redis://:secret@store"}
    >>> list(lines(shell, flink, ["bash", "/bin/flink"]))
    ['unset FLINK_HOME', "export FLINK_CONF_DIR='/my conf'", 'flink() { bash /bin/flink "$@"; }']
    """
    yield from (f"unset {name}" for name in sorted(shell) if name not in flink)
    for name, value in sorted(flink.items()):
        if is_of_flink(name) and shell.get(name) != value:
            yield f"export {name}={shlex.quote(value)}"
    yield f'flink() {{ {shlex.join(client)} "$@"; }}'


def is_of_flink(name: str) -> bool:
    """Tell whether a variable is one that Flink or its Python workers read."""
    return name in NAMES or name.startswith(PREFIXES)
