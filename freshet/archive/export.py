"""Copies the archive to JSON lines, which Flink reads with nothing but what it ships with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pyarrow import fs

from freshet.archive.dialect import session
from freshet.archive.read import committed
from freshet.udfs.view_sql import EVENT_COLUMNS


@contextmanager
def exported(path: str) -> Iterator[str]:
    """Yield the address of a folder beside the archive that holds all its rows, with their places in the clean topic.

    Raises:
        FreshetError: the archive holds no event.
    """
    with session() as archive:
        source = committed(path)
        system, root = (fs.LocalFileSystem(), path) if "://" not in path else fs.FileSystem.from_uri(path)
        folder = f"{root}.export/{uuid4().hex}"
        system.create_dir(folder)
        scheme = path.partition("://")[0] + "://" if "://" in path else ""
        try:
            archive.execute(f"COPY ({_rows(source)}) TO '{scheme}{folder}/events.json' (FORMAT json)")
            yield Path(folder).absolute().as_uri() if not scheme else f"{scheme}{folder}"
        finally:
            system.delete_dir(folder)


def _rows(source: str) -> str:
    columns = ", ".join(
        "CAST(epoch_ms(event_time) AS BIGINT) AS event_time" if name == "event_time" else name for name in EVENT_COLUMNS
    )
    return f"SELECT {columns}, clean_partition, clean_offset FROM {source}"


def ends(path: str) -> dict[int, int]:
    """Return for each partition of the clean topic the first offset that is not in the archive.

    Raises:
        FreshetError: the archive holds no event.
    """
    with session() as archive:
        query = f"SELECT clean_partition, max(clean_offset) + 1 FROM {committed(path)} GROUP BY ALL"
        return {int(partition): int(end) for partition, end in archive.execute(query).fetchall()}
