"""Loopback ports: whether one is free, and who holds it if not."""

import socket

import psutil

from freshet.errors import FreshetError

HOST = "127.0.0.1"


def require_free(part: str, port: int) -> None:
    """Make sure that a part can listen on a port.

    Raises:
        FreshetError: somebody else listens there.
    """
    if not is_free(port):
        raise FreshetError(
            f"Port {port}, which {part} needs, is taken by {holder(port)}; stop that, or set FRESHET_LOCAL__PORT_BASE to "
            "the first of twenty free ports."
        )


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that is still being forgotten does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Tell whether somebody answers on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def holder(port: int) -> str:
    """Return who listens on a port, as far as this user may know."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another program"
