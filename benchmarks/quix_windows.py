"""The user's windows of the shop's features in Quix Streams: one process of an application, as its documentation teaches it.

interactions.clean -> decode -> five branches of windows by user, each result read and thrown away

It has less to do than the features job: no features of items and categories (they need the topic written anew under another
key), none that Quix Streams has no function for (distinct and latest values, rates, decay), no deduplication, no store.
Its windows are declared as there, hopping by the same steps, and its state is what it is by default: RocksDB with a changelog.

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
from quixstreams import Application
from quixstreams.dataframe.windows.aggregations import Count, Max, Mean, Sum
from quixstreams.models import Deserializer

TOPIC = "interactions.clean"
FRAME_BYTES = 5  # Confluent's magic byte and schema id
GRACE_MS = 10_000  # events come up to three seconds late
PAGE_VIEWS = frozenset(("view", "click", "category_view", "search", "play"))
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
REPORT_S = 0.5


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
    hopping = events.hopping_window
    last_5m = hopping(5 * MINUTE, MINUTE, GRACE_MS, name="5m").agg(user_events_count_5m=Count("event"))
    last_1h = hopping(HOUR, 5 * MINUTE, GRACE_MS, name="1h").agg(
        user_events_count_1h=Count("event"), user_clicks_count_1h=Count("click")
    )
    last_24h = hopping(DAY, 30 * MINUTE, GRACE_MS, name="24h").agg(
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
    """Run until the process is ended; print how many events are done, twice a second."""
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
            sys.stdout.write(f"{time.monotonic()} {done}\n")
            sys.stdout.flush()

    threading.Thread(target=report, daemon=True).start()
    app.run()


if __name__ == "__main__":
    main()
