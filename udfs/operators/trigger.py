"""The records of rules that fired, as a Flink function: thread mode, plain columns in, bytes out."""

import time
from typing import Any

from pyflink.table import DataTypes
from pyflink.table.udf import ScalarFunction, udf

from freshet.schemas.avro import Encoder
from freshet.schemas.topics import FEATURE_UPDATES
from freshet.udfs.triggers import Cause, Trigger, announcement


class AnnounceTrigger(ScalarFunction):  # type: ignore[misc]
    """(the columns `TRIGGERS` of `rule_sql.py`) -> bytes for `feature-updates`."""

    def __init__(self, schema_id: int) -> None:
        self._encode = Encoder(FEATURE_UPDATES, schema_id)

    def is_deterministic(self) -> bool:
        """Say no: it asks the clock."""
        return False

    def open(self, function_context: Any) -> None:
        """Count what is announced."""
        self._fired = function_context.get_metric_group().add_group("freshet").counter("rules_fired")

    def eval(
        self,
        subject: str,
        event_id: str,
        event_type: str,
        event_time: int,
        item_id: str | None,
        category: str | None,
        since: int,
        until: int,
        rule: str,
        action: str,
        target: str | None,
        factor: float | None,
        intervention: str | None,
    ) -> bytes:
        """Encode one."""
        self._fired.inc()
        cause = Cause(subject, event_id, event_type, event_time, item_id, category)
        trigger = Trigger(since, until, rule, action, target, item_id, factor, intervention)
        return self._encode(announcement(cause, trigger, time.time_ns() // 1_000_000))


def trigger_udf(schema_id: int) -> Any:
    """Return the function for `create_temporary_function`."""
    return udf(AnnounceTrigger(schema_id), result_type=DataTypes.BYTES())
