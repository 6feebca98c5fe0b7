"""A taken port is named, with who holds it and what to do."""

import os
import re
import socket
from collections.abc import Iterator

import psutil
import pytest

from freshet.errors import FreshetError
from freshet.stack.ports import is_free, is_open, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this very process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_with_a_listener_is_open_and_not_free(taken: int) -> None:
    assert is_open(taken)
    assert not is_free(taken)


def test_a_port_without_one_is_free_and_not_open(taken: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert is_free(port)
    assert not is_open(port)
    require_free("kafka", port)


def test_the_error_names_the_port_its_holder_and_the_setting(taken: int) -> None:
    holder = f"{psutil.Process().name()} (process {os.getpid()})"
    with pytest.raises(
        FreshetError, match=re.escape(f"Port {taken}, which kafka needs, is taken by {holder}")
    ) as caught:
        require_free("kafka", taken)
    assert "FRESHET_LOCAL__PORT_BASE" in str(caught.value)


def test_a_holder_that_may_not_be_seen_is_another_program(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    with pytest.raises(FreshetError, match="is taken by another program"):
        require_free("kafka", taken)


def test_a_port_held_on_every_address_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        assert not is_free(listener.getsockname()[1])


def test_a_connection_that_is_still_being_forgotten_does_not_hold_the_port() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            served, _ = listener.accept()
            served.close()  # who closes first remembers the connection for a while
            assert client.recv(1) == b""
    assert is_free(port)
