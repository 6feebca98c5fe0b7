"""The shop's definitions with more in them: what a benchmark adds to a copy of `feature_repo/definitions.py`."""

from pathlib import Path

from harness import SHOP

PULSE_VIEW, PULSE_FEATURE = "user_pulse", "user_pulse_count_6s"
PULSE_WINDOW_MS, PULSE_SLIDE_MS = 6_000, 1_000

# A window that ends while a benchmark watches; the shop's shortest is one of five minutes.
PULSE = f"""

user_pulse = StreamFeatureView(
    name="{PULSE_VIEW}",
    entities=[user],
    ttl=timedelta(days=90),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[Field(name="subject", dtype=String), Field(name="{PULSE_FEATURE}", dtype=Int64)],
    aggregations=[
        Aggregation(
            name="{PULSE_FEATURE}",
            function="count",
            column="event_id",
            time_window=timedelta(milliseconds={PULSE_WINDOW_MS}),
            slide_interval=timedelta(milliseconds={PULSE_SLIDE_MS}),
        )
    ],
)
"""

FIRST_FIELD = '        Field(name="user_events_count_5m"'
FIRST_AGGREGATION = '        Aggregation(\n            name="user_events_count_5m"'


def with_pulse(folder: Path) -> Path:
    """Return a feature repository that has one more view, of a window of six seconds."""
    return _written(folder, _shop() + PULSE)


def with_more_counts(folder: Path, number: int) -> Path:
    """Return a feature repository whose users have so many more counts, each in a window of its own.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (with_more_counts(Path(folder), 3) / "definitions.py").read_text().count('name="user_more_count_')
    6
    """
    fields, aggregations = "", ""
    for hours in range(2, 2 + number):
        name = f"user_more_count_{hours}h"
        fields += f'        Field(name="{name}", dtype=Int64),\n'
        aggregations += (
            f'        Aggregation(name="{name}", function="count", column="event_id", '
            f"time_window={hours} * HOUR, slide_interval=5 * MINUTE),\n"
        )
    text = _shop()
    for place, more in ((FIRST_FIELD, fields), (FIRST_AGGREGATION, aggregations)):
        assert text.count(place) == 1  # else the shop's definitions have moved, and this has to follow
        text = text.replace(place, more + place)
    return _written(folder, text)


def _shop() -> str:
    return (SHOP / "definitions.py").read_text("utf-8")


def _written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "definitions.py").write_text(text, "utf-8")
    return folder
