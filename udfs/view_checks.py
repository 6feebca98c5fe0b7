"""What is wrong with declared views: one sentence each, before anything starts."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from freshet.errors import FreshetError
from freshet.udfs.feast_layout import field_name
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.view_sql import CARRIED, EVENT_COLUMNS, ITEM_VECTOR, meaning
from freshet.udfs.views import Aggregation, View

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check(views: Sequence[View]) -> None:
    """Make sure that the views can be computed, each and together.

    Raises:
        FreshetError: the first reason why not.
    """
    for problem in problems(views):
        raise FreshetError(f"{problem}.")


def problems(views: Sequence[View]) -> Iterator[str]:
    """Yield every reason why the views cannot be computed."""
    for view in views:
        for problem in _problems_of_view(view):
            yield f"View {view.name}: {problem}"
        for feature in view.features:
            for problem in _problems_of_feature(feature, _columns(view)):
                yield f"View {view.name}: feature {feature.name}: {problem}"
    yield from _clashes(views)
    yield from _collisions(views)


def _columns(view: View) -> list[str]:
    return [*EVENT_COLUMNS, *(name for name, _ in view.derived)]


def _problems_of_view(view: View) -> Iterator[str]:
    yield from _problems_of_name(view.name)
    if not view.features:
        yield "it has no aggregations"
    names = [feature.name for feature in view.features]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"two aggregations give {name}"
    for name, _ in view.derived:
        yield from _problems_of_name(name)
        if name in EVENT_COLUMNS:
            yield f"it derives {name!r}, and events have a column of that name"
    for key in view.keys:
        if key not in _columns(view) or EVENT_COLUMNS.get(key, "STRING") != "STRING":
            yield f"{key!r} cannot be a key; choose one of {', '.join(_texts(view))}, or derive it"


def _texts(view: View) -> list[str]:
    return [name for name in _columns(view) if EVENT_COLUMNS.get(name, "STRING") == "STRING"]


def _problems_of_name(name: str) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield "a name in SQL is made of letters, digits and underscores"


def _problems_of_feature(feature: Aggregation, columns: Sequence[str]) -> Iterator[str]:
    function = FUNCTIONS.get(feature.function)
    if function is None:
        yield f"there is no function {feature.function!r}; choose one of {', '.join(FUNCTIONS)}"
        return
    yield from _problems_of_name(feature.name)
    if feature.name in (*columns, *CARRIED, "pt"):
        yield "events have a column of that name"
    if feature.column not in columns or feature.column == "context":
        yield f"events have no column {feature.column!r}; choose one of {', '.join(c for c in columns if c != 'context')}"
    elif function.takes == "number" and EVENT_COLUMNS.get(feature.column, "DOUBLE") != "DOUBLE":
        yield f"{feature.function} needs numbers; take the column 'value', or derive one"
    elif function.takes == "vector" and feature.column in EVENT_COLUMNS:
        yield f"{feature.function} needs vectors; derive a column of them, such as {ITEM_VECTOR}(item_id)"
    if feature.value_type not in function.gives:
        yield f"{feature.function} gives {' or '.join(function.gives)}, and its field is {feature.value_type}"
    yield from _problems_of_time(feature)
    yield from _problems_of_tags(feature)


def _problems_of_time(feature: Aggregation) -> Iterator[str]:
    time = FUNCTIONS[feature.function].time
    if time in ("window", "half_life", "half_lives", "gap") and feature.window_ms <= 0:
        yield f"{feature.function} needs a time_window"
    elif time == "window" and (not feature.slide_ms or feature.window_ms % feature.slide_ms):
        yield "its time_window must be a whole number of slide_intervals"
    elif time == "half_lives" and not 0 < feature.slide_ms < feature.window_ms:
        yield "its slide_interval, the short half-life, must be shorter than its time_window, the long one"
    elif time == "none" and feature.window_ms:
        yield f"{feature.function} looks at all events; leave out the time_window"


def _problems_of_tags(feature: Aggregation) -> Iterator[str]:
    function, tag = FUNCTIONS[feature.function], f"'{feature.name}"
    if function.needs_n and feature.n < 1:
        yield f"say how many with the tag {tag}.n'"
    if function.takes == "hit" and not feature.hit:
        yield f"say what a hit is with the tag {tag}.hit'"
    if function.takes != "hit" and (feature.hit or feature.prior_weight):
        yield f"only a rate has hits and a prior; leave out the tags {tag}.hit' and {tag}.prior_weight'"
    if feature.prior > 1:
        yield f"the prior of a share is at most 1, not {feature.prior:g}"
    if feature.function == "session_duration" and feature.where:
        yield f"a session lasts from its first event to its last, whatever they are; leave out the tag {tag}.where'"


def _clashes(views: Sequence[View]) -> Iterator[str]:
    owner: dict[str, str] = {}
    for view in views:
        for feature in dict.fromkeys(feature.name for feature in view.features):
            if owner.setdefault(feature, view.name) != view.name:
                yield f"View {view.name}: view {owner[feature]} has a feature {feature} too; Feast could not tell them apart"


def _collisions(views: Iterable[View]) -> Iterator[str]:
    """Yield the features of one hash whose names hash to the same four bytes: one would overwrite the other."""
    for one, other in combinations(((view, f.name) for view in views for f in view.features), 2):
        same_hash = sorted(one[0].keys) == sorted(other[0].keys)
        if same_hash and one != other and field_name(one[0].name, one[1]) == field_name(other[0].name, other[1]):
            yield (
                f"View {other[0].name}: feature {other[1]} and feature {one[1]} of view {one[0].name} would share one "
                "field of the online store; rename one"
            )


def additions(live: Sequence[View], declared: Sequence[View]) -> list[str]:
    """Return the features that are declared and not live, as `<view>:<feature>`."""
    known = {f"{view.name}:{feature.name}" for view in live for feature in view.features}
    names = [f"{view.name}:{feature.name}" for view in declared for feature in view.features]
    return [name for name in names if name not in known]


def changes(live: Sequence[View], declared: Sequence[View]) -> Iterator[str]:
    """Yield each change of a live view that its state cannot follow: the feature would begin anew."""
    known = {view.name: view for view in live}
    for view in declared:
        old = known.get(view.name)
        if old and sorted(old.keys) != sorted(view.keys):
            yield f"View {view.name}: its key was {', '.join(old.keys)} and is now {', '.join(view.keys)}"
        elif old:
            features = {feature.name: feature for feature in old.features}
            for feature in view.features:
                before = features.get(feature.name)
                if before and meaning(old, before) != meaning(view, feature):
                    told = _difference(before, feature) or "a column that it is derived from is another one"
                    yield f"View {view.name}: feature {feature.name}: {told}"


def _difference(before: Aggregation, after: Aggregation) -> str:
    told = [
        f"{name} was {getattr(before, name)!r} and is now {getattr(after, name)!r}"
        for name in Aggregation.__dataclass_fields__
        if getattr(before, name) != getattr(after, name)
    ]
    return "; ".join(told)
