"""One Redis connection for batches: pack all, send once, read all.

redis-py connects, authenticates and speaks TLS; its pipeline objects are left out, since they cost more per command than
the server does.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import redis
from redis.connection import ConnectionPool

Command = Sequence[bytes | str | int | float]


class Script:
    """A Lua script and the digest under which the server remembers it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Call(NamedTuple):
    """A script with the keys and arguments of one run of it."""

    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[Any]


class RedisPipe:
    """Runs batches of commands on the server at `url`, a redis:// or rediss:// address.

    Every command of a batch is either answered or the call raises `redis.RedisError`; the connection is then closed, so
    that no late answer is taken for another command's, and the next batch opens a new one.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        pool = ConnectionPool.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
        self._connection: Any = pool.make_connection()

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send the commands and return their answers in order.

        Raises:
            redis.RedisError: no connection, no answer in time, or the server refused a command.
        """
        return self._sent(
            [piece for command in commands for piece in self._connection.pack_command(*command)], len(commands)
        )

    def _sent(self, pieces: Sequence[bytes], count: int) -> list[Any]:
        """Send commands as the protocol has them, and return so many answers."""
        answers = self._answers(pieces, count)
        for answer in answers:
            if isinstance(answer, redis.ResponseError):
                self._connection.disconnect()
                raise answer
        return answers

    def _answers(self, pieces: Sequence[bytes], count: int) -> list[Any]:
        """Send commands, and return so many answers; that of a command which the server refused is the error."""
        try:
            self._connection.connect()
            self._connection.send_packed_command(pieces)
            return [self._answer() for _ in range(count)]
        except BaseException:
            self._connection.disconnect()
            raise

    def _answer(self) -> Any:
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:  # this command's answer; those of the others still follow
            return error

    def run_script(self, script: Script, calls: Sequence[tuple[Sequence[bytes], Sequence[Any]]]) -> list[Any]:
        """Run a script once for each (keys, arguments) and return the answers in order; see `run_calls`."""
        return self.run_calls([Call(script, keys, arguments) for keys, arguments in calls])

    def run_calls(self, calls: Sequence[Call]) -> list[Any]:
        """Run scripts, in one round trip, and return the answers in order.

        A server that does not know a script is given all of them, and the batch runs again: scripts run through here must
        change nothing when they are repeated.

        Raises:
            redis.RedisError: as for `run`.
        """
        commands = [evalsha(one) for one in calls]
        if not commands:
            return []
        try:
            return self.run(commands)
        except redis.exceptions.NoScriptError:
            self.run([("SCRIPT", "LOAD", text) for text in {one.script.text: None for one in calls}])
            return self.run(commands)

    def run_for_each(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> list[Any]:
        """Run a script once for each key, every time with the same arguments, and return the answers in order.

        The arguments are packed once: for some thousand keys that is most of the work.

        Raises:
            redis.RedisError: as for `run`.
        """
        head, tail = packed([b"EVALSHA", script.sha.encode(), b"1"]), packed(arguments)
        opening = b"*%d\r\n%b" % (4 + len(arguments), head)
        commands = [b"%b%b%b" % (opening, packed([key]), tail) for key in keys]
        answers = self._answers(commands, len(keys))
        # Another client may have made the script known half-way: what has run tells so only once, so it does not run again.
        unknown = [at for at, answer in enumerate(answers) if isinstance(answer, redis.exceptions.NoScriptError)]
        if unknown:
            self.run([("SCRIPT", "LOAD", script.text)])
            again = self._sent([commands[at] for at in unknown], len(unknown))
            for at, answer in zip(unknown, again, strict=True):
                answers[at] = answer
        for answer in answers:
            if isinstance(answer, redis.ResponseError):
                raise answer
        return answers

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()


def evalsha(call: Call) -> Command:
    """Return the command that runs a script which the server knows."""
    return ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments)


def packed(words: Sequence[bytes]) -> bytes:
    """Return words of a command as the protocol has them.

    >>> packed([b"GET", b"a"])
    b'$3\\r\\nGET\\r\\n$1\\r\\na\\r\\n'
    """
    return b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
