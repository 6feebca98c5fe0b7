"""The functions that a feature can be declared with, and what each of them takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

INT, FLOAT, TEXT, TEXTS, INTS, FLOATS = "Int64", "Float64", "String", "Array(String)", "Array(Int64)", "Array(Float64)"


@dataclass(frozen=True)
class Function:
    """What a function takes of an event, what it gives, and what has to be declared with it.

    `takes` is one of: event (that there is one), number (the column's), text (the column's), hit (1 or 0), either (a
    number or a text, as the field's type says), vector (the column's, of `n` numbers). `time` is one of: window (panes of
    slide_interval within time_window), latest (a time_window if there is one), half_life, half_lives (slide_interval is the
    short one), gap, none.
    """

    gives: tuple[str, ...]
    takes: str
    time: str
    needs_n: bool = False
    about: str = ""
    empty: str = "null"
    """What a reader finds when there is nothing left to compute it from."""


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "count": Function((INT,), "event", "window", about="events", empty="0"),
        "sum": Function((FLOAT,), "number", "window", about="sum", empty="0.0"),
        "mean": Function((FLOAT,), "number", "window", about="arithmetic mean"),
        "min": Function((FLOAT,), "number", "window", about="smallest value"),
        "max": Function((FLOAT,), "number", "window", about="largest value"),
        "stddev": Function((FLOAT,), "number", "window", about="sample standard deviation"),
        "rate": Function((FLOAT,), "hit", "window", about="share of hits, smoothed by a prior", empty="the prior"),
        "histogram": Function((INTS,), "event", "window", about="events of each pane, newest first", empty="zeros"),
        "count_distinct": Function((INT,), "text", "window", about="different values, exactly", empty="0"),
        "approx_count_distinct": Function(
            (INT,), "text", "window", about="different values, from a sketch of 256 hashes", empty="0"
        ),
        "top_k": Function((TEXTS,), "text", "window", needs_n=True, about="most frequent values", empty="[]"),
        "first": Function((FLOAT, TEXT), "either", "none", about="earliest value"),
        "last": Function((FLOAT, TEXT), "either", "latest", about="latest value"),
        "last_n": Function((TEXTS,), "text", "latest", needs_n=True, about="latest values, newest first", empty="[]"),
        "last_n_distinct": Function(
            (TEXTS,), "text", "latest", needs_n=True, about="latest values, each once, newest first", empty="[]"
        ),
        "since_last": Function((FLOAT,), "event", "none", about="seconds since the latest event"),
        "ewma": Function((FLOAT,), "event", "half_life", about="count, or sum of a number, that decays", empty="0.0"),
        "ewma_mean": Function((FLOAT,), "number", "half_life", about="mean that the latest values weigh most in"),
        "ewma_rate": Function(
            (FLOAT,), "hit", "half_life", about="share of hits that the latest events weigh most in", empty="the prior"
        ),
        "ewma_vector": Function(
            (FLOATS,),
            "vector",
            "half_life",
            needs_n=True,
            about="mean of vectors, number by number, that the latest weigh most in",
        ),
        "trend": Function(
            (FLOAT,), "event", "half_lives", about="rate of late over the usual rate: 1 is steady", empty="0.0"
        ),
        "session_count": Function((INT,), "event", "gap", about="events of the current session", empty="0"),
        "session_duration": Function(
            (FLOAT,), "event", "gap", about="seconds from its first event to its last", empty="0.0"
        ),
        "session_depth": Function((INT,), "text", "gap", about="different values of the current session", empty="0"),
        "session_items": Function(
            (TEXTS,), "text", "gap", needs_n=True, about="its latest values, each once, newest first", empty="[]"
        ),
    }
)
