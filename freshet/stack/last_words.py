"""What a part that did not start had to say."""

import re
from pathlib import Path

from freshet.stack.part import Part
from freshet.stack.process import CREATE_TIME_TOLERANCE_S, Record

TAIL_BYTES = 65536
LINES = 3
LINE_LENGTH = 300

TELLING = re.compile(r"\b(ERROR|FATAL|Caused by|[Cc]ould not|[Uu]nable|[Ff]ailed|refused|denied|\w*Exception|\w*Error)\b")


def last_words(part: Part, record: Record) -> str:
    """Return the last lines of a part's files that speak of an error, each on an indented line of its own."""
    files = dict.fromkeys([part.output, part.log])
    lines = [line for file in files for line in fresh_lines(file, record)]
    telling = [line for line in lines if TELLING.search(line)] or lines
    return "".join(f"\n  {line[:LINE_LENGTH]}" for line in telling[-LINES:])


def fresh_lines(file: Path, record: Record) -> list[str]:
    """Return the last lines of a file, if it was written since the process was started."""
    try:
        if file.stat().st_mtime < record.create_time - CREATE_TIME_TOLERANCE_S:
            return []
        text = file.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]
