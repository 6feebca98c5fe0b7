"""Reads files of clicks, ratings or purchases that Freshet has never seen: CSV with a user or session, an item and a time."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from freshet.errors import FreshetError
from freshet.models.prequential import Log

NAMES: Mapping[str, tuple[str, ...]] = {
    "user": ("user", "user_id", "userid", "visitor", "visitor_id", "visitorid", "customer_id", "household_id", "uid"),
    "session": ("session", "session_id", "sessionid"),
    "item": (
        "item",
        "item_id",
        "itemid",
        "product",
        "product_id",
        "productid",
        "article_id",
        "movie_id",
        "movieid",
        "iid",
    ),
    "time": ("time", "timestamp", "event_time", "time_ms", "datetime", "date", "ts", "eventdate", "t_dat"),
}
"""Names that a column may have, the first that is there; lower-case, without a type behind a colon."""

SEPARATORS = ",\t;|"
SAMPLE = 65_536
UNITS = ((1e17, 1e-6), (1e14, 1e-3), (1e11, 1.0), (-np.inf, 1e3))
"""Numbers above the first are times in nanoseconds, microseconds, milliseconds, else seconds; and what makes ms of them."""


@dataclass(frozen=True, eq=False)
class EventFile:
    """What a file holds.

    Attributes:
        by_user: the events, of users; of sessions where the file tells no users.
        by_session: the events, of sessions; of users where the file tells no sessions.
        columns: what each was read from: `user`, `session`, `item`, `time`.
        left_out: lines without one of them.
    """

    by_user: Log
    by_session: Log
    columns: Mapping[str, str]
    left_out: int


def read_events(path: Path) -> EventFile:
    """Read a file.

    Raises:
        FreshetError: it is not there, is no such file, or a time of it cannot be read.
    """
    separator, found = _header(path)
    # Codes are words: 007 and 7 are two items.
    words: dict[Hashable, type[str]] = {column: str for name, column in found.items() if name != "time"}
    try:
        # Without an index what stands behind the columns of the header, such as a last separator, is left out.
        frame = pd.read_csv(path, sep=separator, usecols=list(found.values()), dtype=words, index_col=False)
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise FreshetError(f"{path} cannot be read as a table with the separator {separator!r}: {error}") from None
    whole = frame.dropna()
    if whole.empty:
        raise FreshetError(f"{path} has no line with all of {', '.join(found.values())}.")
    times = _milliseconds(whole[found["time"]], path)
    logs = {who: _log(whole[found[who]], whole[found["item"]], times) for who in ("user", "session") if who in found}
    by_user = logs.get("user") or logs["session"]
    return EventFile(by_user, logs.get("session") or by_user, found, len(frame) - len(whole))


def _header(path: Path) -> tuple[str, dict[str, str]]:
    """Return the separator, and the column of each part that there is."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline(SAMPLE).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FreshetError(f"{path} cannot be read: {error}.") from None
    separator = max(SEPARATORS, key=line.count)
    columns = [one.strip('"') for one in line.split(separator)]
    plain = {one.strip().partition(":")[0].lower(): one for one in columns}
    found = {name: plain[first] for name, known in NAMES.items() if (first := _first(known, plain))}
    missing = [name for name in ("item", "time") if name not in found]
    if not {"user", "session"} & found.keys():
        missing.insert(0, "user or session")
    if missing:
        told = ", ".join(columns[:12])
        raise FreshetError(f"{path} has no column for {' and '.join(missing)}; name them so in its first line: {told}.")
    return separator, found


def _first(names: Iterable[str], among: Mapping[str, str]) -> str | None:
    return next((name for name in names if name in among), None)


def _milliseconds(times: pd.Series, path: Path) -> np.ndarray:  # type: ignore[type-arg]
    if pd.api.types.is_numeric_dtype(times):
        middle = float(times.median())
        factor = next(factor for least, factor in UNITS if middle > least)
        return np.asarray((times.astype(np.float64) * factor).round().astype(np.int64))
    try:
        instants = pd.to_datetime(times, utc=True, format="ISO8601")
    except ValueError as error:
        raise FreshetError(f"{path} has a time that is neither a number nor ISO 8601: {error}") from None
    return np.asarray(instants.dt.tz_localize(None).to_numpy("datetime64[ms]").astype(np.int64))


def _log(who: "pd.Series[str]", items: "pd.Series[str]", times: np.ndarray) -> Log:  # type: ignore[type-arg]
    user_codes, users = pd.factorize(who)
    item_codes, names = pd.factorize(items)
    ones = np.ones(len(times))
    return Log(user_codes.astype(np.int64), item_codes.astype(np.int64), times, ones, list(users), list(names))
