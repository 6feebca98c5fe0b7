"""The user's windows of the shop's features in Quix Streams: one process of an application, as its documentation teaches it.

interactions.clean -> decode -> four branches of windows by user, each result read and thrown away

It has less to do than the features job: of its 33 features the ten that Quix Streams has windows and functions for (the
duration of a session follows from its start and end). It leaves out the features of items and categories (they need the topic
written anew under another key), distinct and latest values, rates and decay, deduplication, the empty value once a window is
over, and the store.
Its windows are sliding ones: of the two kinds that say what the last hour held, the one that is twice as fast here; a
hopping window updates every window that holds the event, 48 for a day by half-hours. They are exact to the millisecond, where
ours move by their slide. Its state is what it is by default: RocksDB with a changelog, committed every five seconds.

    .venv-quix/bin/python benchmarks/quix_windows.py --broker HOST:PORT --schema FILE --group NAME --state FOLDER
"""

import argparse
import io
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader
from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.dataframe.windows.aggregations import Count, Max, Mean, Sum  # type: ignore[import-not-found]
from quixstreams.models import Deserializer  # type: ignore[import-not-found]

TOPIC = "interactions.clean"
FRAME_BYTES = 5  # Confluent's magic byte and schema id
GRACE_MS = 10_000  # events come up to three seconds late
PAGE_VIEWS = frozenset(("view", "click", "category_view", "search", "play"))
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
REPORT_S = 0.1


class CleanEvent(Deserializer):  # type: ignore[misc]
    """Framed Avro to what the windows take of an event: None for what does not count."""

    def __init__(self, schema: Path) -> None:
        super().__init__()
        self._schema = parse_schema(json.loads(schema.read_text("utf-8")))

    def __call__(self, value: bytes, ctx: Any) -> dict[str, Any]:
        """Decode one event."""
        record: Any = schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), self._schema, None)
        kind = record["event_type"]
        return {
            "event": 1,
            "time": int(record["event_time"].timestamp() * 1000),
            "click": 1 if kind == "click" else None,
            "page": 1 if kind in PAGE_VIEWS else None,
            "paid": record["value"] if kind == "purchase" else None,
        }


def windows(events: Any) -> None:
    """Add the windows to a stream of events; the shop's definitions name the features."""
    sliding = events.sliding_window
    last_5m = sliding(5 * MINUTE, GRACE_MS, name="5m").agg(user_events_count_5m=Count("event"))
    last_1h = sliding(HOUR, GRACE_MS, name="1h").agg(
        user_events_count_1h=Count("event"), user_clicks_count_1h=Count("click")
    )
    last_24h = sliding(DAY, GRACE_MS, name="24h").agg(
        user_events_count_24h=Count("event"),
        user_spend_sum_24h=Sum("paid"),
        user_purchase_mean_24h=Mean("paid"),
        user_purchase_max_24h=Max("paid"),
    )
    session = events.session_window(30 * MINUTE, GRACE_MS, name="session").agg(
        user_session_length=Count("event"), user_session_depth=Count("page")
    )
    for branch in (last_5m, last_1h, last_24h, session):
        branch.current().update(lambda result: None)


def main() -> None:
    """Run until the process is ended; print how many events are done, ten times a second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    for name in ("broker", "schema", "group", "state"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    done = 0

    def count(*_: Any) -> None:
        nonlocal done
        done += 1

    app = Application(
        broker_address=options.broker,
        consumer_group=options.group,
        auto_offset_reset="earliest",
        state_dir=options.state,
        on_message_processed=count,
        loglevel="ERROR",
    )
    topic = app.topic(
        TOPIC,
        key_deserializer="str",
        value_deserializer=CleanEvent(Path(options.schema)),
        timestamp_extractor=lambda value, *_: value["time"],
    )
    windows(app.dataframe(topic))

    def report() -> None:
        while True:
            time.sleep(REPORT_S)
            sys.stdout.write(f"{done}\n")
            sys.stdout.flush()

    threading.Thread(target=report, daemon=True).start()
    app.run()


if __name__ == "__main__":
    main()
