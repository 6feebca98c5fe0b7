"""The archive as a log to train on: what every user did, in order of time."""

import pandas as pd

from freshet.archive.read import EVENTS, connect

QUERY = f"""SELECT
  subject AS "user", event_time AS "at", item_id AS "item", department, category, product_type AS "kind", value,
  event_type AS "type"
FROM {EVENTS}
ORDER BY event_time, source_partition, source_offset"""


def read_log(path: str) -> pd.DataFrame:
    """Return the events of an archive, each id once, in order of time: `models.dataset` tells the columns.

    Raises:
        FreshetError: the archive holds no event.
    """
    log: pd.DataFrame = connect(path).execute(QUERY).df()
    return log.astype(dict.fromkeys(("user", "item", "department", "category", "kind", "type"), object))
