"""One Redis connection for batches: pack all, send once, read all.

redis-py connects, authenticates and speaks TLS; its pipeline objects are left out, since they cost more per command than
the server does.
"""

import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import hiredis
import redis
from redis.connection import ConnectionPool

Command = Sequence[bytes | str | int | float]

READ_BYTES = 1 << 16
NOT_YET = object()
"""What the reader says when an answer is not complete."""


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


class Packed(NamedTuple):
    """Commands as the protocol has them, and how many answers they have."""

    data: bytes
    answers: int


def for_each(command: Sequence[bytes], keys: Sequence[bytes], arguments: Sequence[bytes] = ()) -> Packed:
    """Return a command for each key, with the same arguments behind it, which are packed once: they are most of the work.

    >>> for_each([b"HMGET"], [b"a", b"b"], [b"f"]).data.replace(b"\\r\\n", b" ")
    b'*3 $5 HMGET $1 a $1 f *3 $5 HMGET $1 b $1 f '
    """
    head = b"*%d\r\n%b" % (len(command) + 1 + len(arguments), packed(command))
    tail = b"\r\n" + packed(arguments)
    return Packed(b"".join([b"%b$%d\r\n%b%b" % (head, len(key), key, tail) for key in keys]), len(keys))


class RedisPipe:
    """Runs batches of commands on the server at `url`, a redis:// or rediss:// address.

    Every command of a batch is either answered or the call raises `redis.RedisError`; the connection is then closed, so
    that no late answer is taken for another command's, and the next batch opens a new one.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        pool = ConnectionPool.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
        self._connection: Any = pool.make_connection()
        self._reader: Any = None

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send the commands and return their answers in order.

        Raises:
            redis.RedisError: no connection, no answer in time, or the server refused a command.
        """
        pieces = [piece for command in commands for piece in self._connection.pack_command(*command)]
        return self._sent(Packed(b"".join(pieces), len(commands)))

    def run_packed(self, *batches: Packed) -> list[list[Any]]:
        """Send packed commands in one round trip, and return the answers to each batch of them.

        Raises:
            redis.RedisError: as for `run`.
        """
        answers = iter(self._sent(Packed(b"".join(one.data for one in batches), sum(one.answers for one in batches))))
        return [list(islice(answers, one.answers)) for one in batches]

    def _sent(self, packed: Packed) -> list[Any]:
        answers = self._answers(packed)
        for answer in answers:
            if isinstance(answer, redis.ResponseError):
                self.close()
                raise answer
        return answers

    def _answers(self, packed: Packed) -> list[Any]:
        """Send commands, and return their answers; that of a command which the server refused is the error."""
        try:
            self._connection.connect()
            self._connection.send_packed_command([packed.data])
            return self._read(packed.answers)
        except TimeoutError as error:
            self.close()
            raise redis.TimeoutError("the server did not answer in time") from error
        except OSError as error:
            self.close()
            raise redis.ConnectionError(f"the connection to the server broke: {error}") from error
        except BaseException:
            self.close()
            raise

    def _read(self, count: int) -> list[Any]:
        """Return so many answers, read from the socket here: redis-py's own call costs more than most answers do."""
        if self._reader is None:
            self._reader = hiredis.Reader(
                protocolError=redis.InvalidResponse, replyError=refusal, notEnoughData=NOT_YET
            )
        reader, receive, answers = self._reader, self._connection._sock.recv, list[Any]()  # noqa: SLF001
        while len(answers) < count:
            answer = reader.gets()
            if answer is not NOT_YET:
                answers.append(answer)
                continue
            data = receive(READ_BYTES)
            if not data:
                raise redis.ConnectionError("the server closed the connection")
            reader.feed(data)
        return answers

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

        Raises:
            redis.RedisError: as for `run`.
        """
        command = [b"EVALSHA", script.sha.encode(), b"1"]
        answers = self._answers(for_each(command, keys, arguments))
        # Another client may have made the script known half-way: what has run tells so only once, so it does not run again.
        unknown = [at for at, answer in enumerate(answers) if isinstance(answer, redis.exceptions.NoScriptError)]
        if unknown:
            self.run([("SCRIPT", "LOAD", script.text)])
            again = self._sent(for_each(command, [keys[at] for at in unknown], arguments))
            for at, answer in zip(unknown, again, strict=True):
                answers[at] = answer
        for answer in answers:
            if isinstance(answer, redis.ResponseError):
                raise answer
        return answers

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()
        self._reader = None


def refusal(text: str) -> redis.ResponseError:
    """Return the error that a server refused a command with."""
    return redis.exceptions.NoScriptError(text) if text.startswith("NOSCRIPT") else redis.ResponseError(text)


def evalsha(call: Call) -> Command:
    """Return the command that runs a script which the server knows."""
    return ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments)


def packed(words: Sequence[bytes]) -> bytes:
    """Return words of a command as the protocol has them.

    >>> packed([b"GET", b"a"])
    b'$3\\r\\nGET\\r\\n$1\\r\\na\\r\\n'
    """
    return b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
