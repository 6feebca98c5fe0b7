"""What a part that did not start had to say, and where."""

import re
from pathlib import Path

from freshet.stack.part import Part
from freshet.stack.process import CREATE_TIME_TOLERANCE_S, Record

TAIL_BYTES = 65536
LINES = 3
LINE_LENGTH = 300

TELLING = re.compile(r"\b(ERROR|FATAL|SEVERE|Caused by|\w*Exception|\w*Error|Could not|Failed|Unable|refused)\b")


def last_words(part: Part, record: Record) -> str:
    """Return which file to read, and its last lines that speak of an error, each indented on a line of its own.

    Standard output comes first: a JVM that never got as far as its own log file complains there.
    """
    said = {file: fresh_lines(file, record) for file in dict.fromkeys([part.output, part.log])}
    telling = {file: [line for line in lines if TELLING.search(line)] for file, lines in said.items()}
    file = next((file for file in said if telling[file]), part.log)
    lines = telling[file] or said[file]
    return f"read {file}" + "".join(f"\n  {line[:LINE_LENGTH]}" for line in lines[-LINES:])


def fresh_lines(file: Path, record: Record) -> list[str]:
    """Return the last lines of a file, if it was written since the process was started."""
    try:
        if file.stat().st_mtime < record.create_time - CREATE_TIME_TOLERANCE_S:
            return []
        text = file.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]
