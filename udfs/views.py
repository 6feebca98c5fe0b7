"""Feature views as the engine sees them: what is computed, for which key, under which names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from freshet.errors import FreshetError

WHERE, HIT, LENGTH, PRIOR, PRIOR_WEIGHT = "where", "hit", "n", "prior", "prior_weight"
REFINEMENTS = (WHERE, HIT, LENGTH, PRIOR, PRIOR_WEIGHT)
"""What a tag `<feature>.<refinement>` may say of a feature."""

DERIVE = "derive."
"""A tag `derive.<column>` of a view adds a column to its events: its value is an expression in SQL."""


@dataclass(frozen=True)
class Aggregation:
    """One feature. Times in milliseconds; `window_ms` is the half-life of a decay and the gap of a session."""

    name: str
    function: str
    column: str
    value_type: str
    window_ms: int = 0
    slide_ms: int = 0
    where: str = ""
    n: int = 0
    hit: str = ""
    prior: float = 0.0
    prior_weight: float = 0.0


@dataclass(frozen=True)
class View:
    """A feature view: the features of one entity, or of a pair of them."""

    name: str
    keys: tuple[str, ...]
    features: tuple[Aggregation, ...]
    ttl_seconds: int
    derived: tuple[tuple[str, str], ...] = ()
    """Columns beside those of the events: name and SQL expression."""


def views_from_feast(declared: Iterable[Any]) -> list[View]:
    """Return the views of Feast's `StreamFeatureView` objects, in the order of their names.

    Raises:
        FreshetError: a view declares something that cannot be read; the text names it.
    """
    return sorted((view_from_feast(view) for view in declared), key=lambda view: view.name)


def view_from_feast(declared: Any) -> View:
    """Return one view.

    Raises:
        FreshetError: it declares something that cannot be read; the text names it.
    """
    types = {field.name: str(field.dtype) for field in declared.features}
    names = [one.name for one in declared.aggregations]
    for tag in declared.tags:
        feature, _, what = tag.rpartition(".")
        if what in REFINEMENTS and not tag.startswith(DERIVE) and feature not in names:
            raise FreshetError(f"View {declared.name}: the tag '{tag}' is for no feature of it.")
    return View(
        name=declared.name,
        keys=tuple(declared.join_keys),
        features=tuple(_feature(declared.name, one, types, declared.tags) for one in declared.aggregations),
        ttl_seconds=int(declared.ttl.total_seconds()) if declared.ttl else 0,
        derived=tuple(_derived(declared.tags)),
    )


def _derived(tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the derived columns by name: a registry gives tags back in any order, and a view must stay what it was."""
    return sorted((tag[len(DERIVE) :], text) for tag, text in tags.items() if tag.startswith(DERIVE))


def _feature(view: str, one: Any, types: Mapping[str, str], tags: Mapping[str, str]) -> Aggregation:
    if one.name not in types:
        raise FreshetError(
            f"View {view}: aggregation {one.name or one.function!r} has no field of its name in the schema."
        )
    said = {what: tags.get(f"{one.name}.{what}", "") for what in REFINEMENTS}
    return Aggregation(
        name=one.name,
        function=one.function,
        column=one.column,
        value_type=types[one.name],
        window_ms=_ms(one.time_window),
        slide_ms=_ms(one.slide_interval),
        where=said[WHERE],
        n=int(_number(view, f"{one.name}.{LENGTH}", said[LENGTH], whole=True)),
        hit=said[HIT],
        prior=_number(view, f"{one.name}.{PRIOR}", said[PRIOR]),
        prior_weight=_number(view, f"{one.name}.{PRIOR_WEIGHT}", said[PRIOR_WEIGHT]),
    )


def _number(view: str, tag: str, text: str, *, whole: bool = False) -> float:
    if not text:
        return 0.0
    if not (text.isdecimal() if whole else text.replace(".", "", 1).isdecimal()):
        kind = "a length, such as '20'" if whole else "a number that is not negative, such as '0.05'"
        raise FreshetError(f"View {view}: the tag '{tag}' is {text!r}; it is {kind}.")
    return float(text)


def _ms(span: timedelta | None) -> int:
    return int(span.total_seconds() * 1000) if span else 0
