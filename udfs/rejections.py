"""Why a record of `interactions` is refused: the codes that stand in `interactions.rejected`."""

NULL_PAYLOAD = "null-payload"
NOT_FRAMED = "not-framed"
UNKNOWN_SCHEMA = "unknown-schema"
UNREADABLE = "unreadable"
MISSING_EVENT_ID = "missing-event-id"
MISSING_USER_ID = "missing-user-id"
MALFORMED_ID = "malformed-id"
TIME_IN_FUTURE = "time-in-future"
TIME_TOO_OLD = "time-too-old"
MISSING_ITEM = "missing-item"
BAD_VALUE = "bad-value"
UNKNOWN_TYPE = "unknown-type"
OVERSIZED_CONTEXT = "oversized-context"

TOO_LATE = "too-late"
"""Said by the features job, of an event that is clean but too old for some feature; `TooLate.java` writes it."""


class Rejected(ValueError):
    """A record that cannot be used: `reason` is one of this module's codes, the text is for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
