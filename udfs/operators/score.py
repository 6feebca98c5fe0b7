"""The scoring step as a Flink function: one batch of announcements is one scoring call.

The recommender comes in as a function that makes it, so that this module needs no model and a test can bring its own.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson
from pyflink.table import DataTypes
from pyflink.table.udf import ScalarFunction, udf

from freshet.schemas.avro import Decoder
from freshet.schemas.registry import Registry
from freshet.schemas.topics import FEATURE_UPDATES
from freshet.udfs.operators.buckets import Buckets
from freshet.udfs.top_n import TopList
from freshet.udfs.triggers import Trigger, trigger_of

BATCH_USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 500)
"""Bounds of the counts of batches by how many announcements they hold."""

BATCH_MS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1_000, 2_000, 5_000, 10_000)
"""Bounds of the counts of batches by how long they take, in milliseconds."""


OBJECTS_A_COLLECTION = 50_000

TIERS = ("full-gpu", "full-cpu", "light", "none")

LARGEST = (1 << 63) - 1

Told = Mapping[str, "int | Told"]
"""Metrics: numbers by name; an object in it is a label, and holds its values with the numbers of each."""


class Lists(Protocol):
    """Makes and stores the lists of updated users."""

    @property
    def tier(self) -> str:
        """The tier of the lists."""

    @property
    def provider(self) -> str:
        """Where the model runs."""

    @property
    def gauges(self) -> Mapping[str, Callable[[], float]]:
        """What is to be watched, by the name of a metric."""

    def recommend(self, updates: Sequence[Any]) -> list[TopList]:
        """Return a list for each subject for which there is something to show."""

    def close(self) -> None:
        """End what runs in the background."""


def whole(value: float) -> int:
    """Return what a gauge can hold: an age that is not known yet is as large as can be.

    >>> whole(2.6), whole(float("inf")) == LARGEST
    (3, True)
    """
    return round(value) if value < LARGEST else LARGEST


MakeLists = Callable[[], Lists]
MakeUpdate = Callable[[str, int, int, str, Trigger | None], Any]


class ScoreUpdates(ScalarFunction):  # type: ignore[misc]
    """(a batch of payloads of `feature-updates`) -> JSON texts: metrics, then each list, one for each placement of a subject.

    Several announcements of a subject in a batch lead to one list, which speaks for the last of them. What becomes of the
    texts is `udfs/java/freshet/lists/Publish.java`.
    """

    def __init__(self, make_lists: MakeLists, make_update: MakeUpdate, registry_url: str) -> None:
        self._make_lists = make_lists
        self._make_update = make_update
        self._registry_url = registry_url

    def is_deterministic(self) -> bool:
        """Say no, so that the planner calls it once a row: it writes."""
        return False

    def open(self, function_context: Any) -> None:
        """Load the model."""
        self._lists = self._make_lists()
        self._decode = Decoder(FEATURE_UPDATES, Registry(self._registry_url).schema)
        self._made = 0
        self._batch_users, self._batch_ms = Buckets(BATCH_USERS), Buckets(BATCH_MS)
        # What was loaded stays: a full collection would walk all of it, some 50 ms, in the middle of a batch. What a batch
        # makes goes by its counts; a collection every 700 objects would look through the same lists again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(OBJECTS_A_COLLECTION, 20, 20)

    def close(self) -> None:
        """End what runs in the background: in thread mode the process goes on when the job ends, or starts anew."""
        if lists := getattr(self, "_lists", None):
            lists.close()
        gc.unfreeze()

    def eval(self, payloads: Sequence[bytes]) -> list[bytes]:
        """Score one batch."""
        begin = time.perf_counter()
        lists = self._lists.recommend([self._update(self._decode(payload)) for payload in payloads])
        self._made += len(lists)
        self._batch_users.add(len(payloads))
        self._batch_ms.add((time.perf_counter() - begin) * 1000)
        return [orjson.dumps(self._told()), *(one.json for one in lists)]

    def _update(self, record: Mapping[str, Any]) -> Any:
        return self._make_update(
            record["subject"], record["as_of"], record["version"], record["event_id"], trigger_of(record)
        )

    def _told(self) -> Told:
        """Return the metrics; a gauge holds a whole number, so the name of a tier is a label and 1 says that it is in use."""
        return {
            "lists_made": self._made,
            **{name: whole(value()) for name, value in self._lists.gauges.items()},
            "tier": {tier: {"active": int(tier == self._lists.tier)} for tier in TIERS},
            "provider": {self._lists.provider: {"active": 1}},
            "batch_users": self._batch_users.counts,
            "batch_ms": self._batch_ms.counts,
        }


def score_udf(make_lists: MakeLists, make_update: MakeUpdate, registry_url: str) -> Any:
    """Return the function for `create_temporary_function`."""
    return udf(ScoreUpdates(make_lists, make_update, registry_url), result_type=DataTypes.ARRAY(DataTypes.BYTES()))
