"""The scoring step as a Flink function: one Arrow batch of announcements is one scoring call.

The recommender comes in as a function that makes it, so that this module needs no model and a test can bring its own.
"""

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import ScalarFunction, udf

from freshet.schemas.avro import Decoder
from freshet.schemas.registry import Registry
from freshet.schemas.topics import FEATURE_UPDATES
from freshet.udfs.list_avro import encode_list
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


def whole(value: float) -> int:
    """Return what a gauge can hold: an age that is not known yet is as large as can be.

    >>> whole(2.6), whole(float("inf")) == LARGEST
    (3, True)
    """
    return round(value) if value < LARGEST else LARGEST


MakeLists = Callable[[], Lists]
MakeUpdate = Callable[[str, int, int, str, Trigger | None], Any]


class ScoreUpdates(ScalarFunction):  # type: ignore[misc]
    """(bytes of `feature-updates`) -> bytes for `recommendations`, one list for each placement.

    None where a later announcement of the same subject in the batch speaks for this one too, and where no list was made.
    """

    def __init__(self, make_lists: MakeLists, make_update: MakeUpdate, registry_url: str, schema_id: int) -> None:
        self._make_lists = make_lists
        self._make_update = make_update
        self._registry_url = registry_url
        self._schema_id = schema_id

    def is_deterministic(self) -> bool:
        """Say no, so that the planner calls it once a row: it writes."""
        return False

    def open(self, function_context: Any) -> None:
        """Load the model."""
        self._lists = self._make_lists()
        self._decode = Decoder(FEATURE_UPDATES, Registry(self._registry_url).schema)
        metrics = function_context.get_metric_group().add_group("freshet")
        self._written = metrics.counter("lists_made")
        # A gauge holds a whole number only, so the name of a tier is a label and 1 says that it is the one in use.
        for tier in TIERS:
            metrics.add_group("tier", tier).gauge("active", lambda tier=tier: int(self._lists.tier == tier))
        metrics.add_group("provider", self._lists.provider).gauge("active", lambda: 1)
        for name, value in self._lists.gauges.items():
            metrics.gauge(name, lambda value=value: whole(value()))
        self._batch_users = Buckets(metrics, "batch_users", BATCH_USERS)
        self._batch_ms = Buckets(metrics, "batch_ms", BATCH_MS)
        # What was loaded stays: a full collection would walk all of it, some 50 ms, in the middle of a batch. What a batch
        # makes goes by its counts; a collection every 700 objects would look through the same lists again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(OBJECTS_A_COLLECTION, 20, 20)

    def eval(self, payloads: "pd.Series[Any]") -> "pd.Series[Any]":
        """Score one batch."""
        begin = time.perf_counter()
        answers = self._scored(payloads)
        self._batch_users.add(len(payloads))
        self._batch_ms.add((time.perf_counter() - begin) * 1000)
        return pd.Series(answers, dtype=object)

    def _scored(self, payloads: Iterable[bytes]) -> list[list[bytes]]:
        records = [self._decode(payload) for payload in payloads]
        updates = [
            self._make_update(one["subject"], one["as_of"], one["version"], one["event_id"], trigger_of(one))
            for one in records
        ]
        lists = self._lists.recommend(updates)
        self._written.inc(len(lists))
        last = {record["subject"]: at for at, record in enumerate(records)}
        answers: list[list[bytes]] = [[] for _ in records]
        for one in lists:
            answers[last[one.subject]].append(encode_list(self._schema_id, one))
        return answers


def score_udf(make_lists: MakeLists, make_update: MakeUpdate, registry_url: str, schema_id: int) -> Any:
    """Return the function for `create_temporary_function`."""
    function = ScoreUpdates(make_lists, make_update, registry_url, schema_id)
    return udf(function, result_type=DataTypes.ARRAY(DataTypes.BYTES()), func_type="pandas")
