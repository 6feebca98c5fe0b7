"""Where an event stands in the archive: a pure function of its day and of its place in Kafka.

The offsets of a partition are cut into blocks of equal length. All events of one block and one day are one file, written
whole and replaced whole. So a writer that starts again writes the same files again, and nothing is there twice.
"""

from datetime import datetime, timezone

SUFFIX = ".parquet"


def block_of(offset: int, size: int) -> int:
    """Return the block of an offset.

    >>> block_of(99_999, 100_000), block_of(100_000, 100_000)
    (0, 1)
    """
    return offset // size


def day_of(event_time: int) -> str:
    """Return the day (UTC) of a time in milliseconds.

    >>> day_of(1_514_808_000_000)
    '2018-01-01'
    """
    return datetime.fromtimestamp(event_time // 1000, tz=timezone.utc).strftime("%Y-%m-%d")


def file_of(day: str, partition: int, block: int) -> str:
    """Return the path of a file below the archive's folder.

    >>> file_of("2018-01-01", 3, 17)
    'day=2018-01-01/p003-000000000017.parquet'
    """
    return f"day={day}/p{partition:03d}-{block:012d}{SUFFIX}"
