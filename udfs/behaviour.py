"""How a feature behaves, in words: when it is emitted, how fresh it is, what a late event does, what an idle key reads."""

from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.views import Aggregation

UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))

LATE = {
    "window": "joins its pane while the window holds it; a later one changes nothing",
    "half_life": "is added at the weight of its age",
    "half_lives": "is added at the weight of its age",
    "latest": "takes its place by its time",
    "none": "takes its place by its time",
    "gap": "joins, opens or links sessions up to 48 gaps late; a later one is told on interactions.rejected",
}


def behaviour(feature: Aggregation) -> dict[str, str]:
    """Return what `freshet features plan` tells of a feature.

    >>> hour = Aggregation("clicks_1h", "count", "event_id", "Int64", 3_600_000, 300_000)
    >>> behaviour(hour)["gives"], behaviour(hour)["idle key"]
    ('events in 1h by 5m', '0, written when its newest pane leaves, 55m to 1h after the last event')
    """
    function = FUNCTIONS[feature.function]
    return {
        "gives": f"{function.about}{_over(feature)}",
        "emitted": "with each event of its key, at once",
        "fresh": "as soon as the event is; no wait for a watermark",
        "late event": LATE[function.time],
        "idle key": _idle(feature),
    }


def _over(feature: Aggregation) -> str:
    time, window, slide = FUNCTIONS[feature.function].time, span(feature.window_ms), span(feature.slide_ms)
    return {
        "window": f" in {window} by {slide}",
        "half_life": f", half-life {window}",
        "half_lives": f", half-lives {slide} and {window}",
        "gap": f", which ends after {window} without an event",
        "latest": f" of the last {window}" if feature.window_ms else "",
    }.get(time, "")


def _idle(feature: Aggregation) -> str:
    function = FUNCTIONS[feature.function]
    if function.time == "window":
        least = span(feature.window_ms - feature.slide_ms) if feature.window_ms > feature.slide_ms else "0s"
        return (
            f"{function.empty}, written when its newest pane leaves, {least} to {span(feature.window_ms)} "
            "after the last event"
        )
    if function.time == "gap" or (function.time == "latest" and feature.window_ms):
        return f"{function.empty}, written {span(feature.window_ms)} after the last event"
    if feature.function == "ewma":
        return "the value as of its last event; a reader decays it to now"
    if feature.function == "since_last":
        return "the seconds as of its last event; a reader adds what has passed"
    return "the value as of its last event"


def span(ms: int) -> str:
    """Return a span of time in the largest units that divide it.

    >>> span(300_000), span(5_400_000)
    ('5m', '90m')
    """
    return next((f"{ms // unit}{name}" for name, unit in UNITS if ms and ms % unit == 0), "0s")
