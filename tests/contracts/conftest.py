"""A Redis server of the tests' own, which they may stop and kill."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from hypothesis import settings

from contracts.list_makers import PLAIN, a_list_maker
from contracts.redis_server import RedisServer
from freshet.models.list_maker import ListMaker

MakeListMaker = Callable[..., ListMaker]

settings.register_profile("freshet", deadline=None)
settings.load_profile("freshet")


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.thaw()
    server.kill()


@pytest.fixture
def server(running_server: RedisServer) -> RedisServer:
    """The server, empty."""
    with redis.Redis.from_url(running_server.url) as client:
        client.flushall()
        client.script_flush()
    return running_server


@pytest.fixture
def store(server: RedisServer) -> Iterator[redis.Redis]:
    """A client of it, for looking."""
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def list_maker(server: RedisServer, tmp_path: Path) -> Iterator[MakeListMaker]:
    """Makes list makers over the server; their threads end with the test."""
    with ExitStack() as running:

        def make(length: int = 20, placements: str = PLAIN) -> ListMaker:
            made = a_list_maker(server, tmp_path, length, placements)
            running.callback(made.close)
            return made

        yield make
