"""Feature views as the engine sees them: what is computed, for which key, under which names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from freshet.errors import FreshetError

VALUE_TYPES = ("Int64", "Float64", "String", "Array(String)")


@dataclass(frozen=True)
class Aggregation:
    """One feature. Times in milliseconds; `window_ms` is the half-life of an ewma and the gap of a session."""

    name: str
    function: str
    column: str
    value_type: str
    window_ms: int = 0
    slide_ms: int = 0
    where: str = ""
    n: int = 0


@dataclass(frozen=True)
class View:
    """A feature view: the features of one entity, or of a pair of them."""

    name: str
    keys: tuple[str, ...]
    features: tuple[Aggregation, ...]
    ttl_seconds: int


def views_from_feast(declared: Iterable[Any]) -> list[View]:
    """Return the views of Feast's `StreamFeatureView` objects, in the order of their names.

    Raises:
        FreshetError: a view declares something that cannot be computed; the text names it.
    """
    return sorted((view_from_feast(view) for view in declared), key=lambda view: view.name)


def view_from_feast(declared: Any) -> View:
    """Return one view.

    Raises:
        FreshetError: it declares something that cannot be computed; the text names it.
    """
    types = {field.name: str(field.dtype) for field in declared.features}
    features = tuple(_feature(declared.name, one, types, declared.tags) for one in declared.aggregations)
    for problem in _problems(features, set(types) - set(declared.join_keys), declared.tags):
        raise FreshetError(f"View {declared.name}: {problem}.")
    ttl = int(declared.ttl.total_seconds()) if declared.ttl else 0
    return View(declared.name, tuple(declared.join_keys), features, ttl)


def _problems(features: Sequence[Aggregation], fields: set[str], tags: Mapping[str, str]) -> Iterator[str]:
    names = [feature.name for feature in features]
    if missing := fields - set(names):
        yield f"no aggregation gives {', '.join(sorted(missing))}"
    if not features:
        yield "it has no aggregations"
    for name in names:
        if names.count(name) > 1:
            yield f"two aggregations give {name}"
    for tag in tags:
        feature, _, what = tag.rpartition(".")
        if what in ("where", "n") and feature not in names:
            yield f"the tag '{tag}' is for no feature of it"


def _feature(view: str, one: Any, types: Mapping[str, str], tags: Mapping[str, str]) -> Aggregation:
    if one.name not in types:
        raise FreshetError(
            f"View {view}: aggregation {one.name or one.function!r} has no field of its name in the schema."
        )
    if types[one.name] not in VALUE_TYPES:
        allowed = ", ".join(VALUE_TYPES)
        raise FreshetError(f"View {view}: {one.name} is {types[one.name]}; a feature can be one of {allowed}.")
    return Aggregation(
        name=one.name,
        function=one.function,
        column=one.column,
        value_type=types[one.name],
        window_ms=_ms(one.time_window),
        slide_ms=_ms(one.slide_interval),
        where=tags.get(f"{one.name}.where", ""),
        n=_length(view, f"{one.name}.n", tags),
    )


def _length(view: str, tag: str, tags: Mapping[str, str]) -> int:
    text = tags.get(tag, "0")
    if not text.isdecimal():
        raise FreshetError(f"View {view}: the tag '{tag}' is {text!r}; it is a length, such as '20'.")
    return int(text)


def _ms(span: timedelta | None) -> int:
    return int(span.total_seconds() * 1000) if span else 0
