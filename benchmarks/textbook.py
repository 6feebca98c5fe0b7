"""The features job as the PyFlink documentation teaches it: keyed Python functions with Flink state, one write an event.

Kafka bytes -> decode -> key by event id, first copy only -> for each view: key by entity, update, HSET

It computes the registered views, with the same definitions and values as `jobs/features.py`, and writes the same fields, so
the two can be compared in speed and checked against each other. It does without what the real job adds: the version check of a
write, the lifetime of a key, the announcement on `feature-updates`, and the empty value once a window is over.

    flink run --python benchmarks/textbook.py
"""

import heapq
import re
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import mmh3
import redis
from pyflink.common import Configuration, Row, Time, Types, WatermarkStrategy
from pyflink.common.serialization import ByteArraySchema
from pyflink.datastream import DataStream, KeyedProcessFunction, MapFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import KafkaOffsetsInitializer, KafkaSource
from pyflink.datastream.state import StateTtlConfig, ValueStateDescriptor

from freshet.errors import FreshetError
from freshet.jobs.feature_registry import registered_views
from freshet.schemas.avro import Decoder
from freshet.schemas.registry import Registry
from freshet.schemas.topics import INTERACTIONS_CLEAN
from freshet.settings import Settings, load_settings
from freshet.udfs.feast_layout import ENCODERS, NULL, EntityKeys, field_name, timestamp, timestamp_field, version_field
from freshet.udfs.views import Aggregation, View
from freshet.udfs.writer_schemas import WriterSchemas

GROUP = "freshet-textbook"
STATE_CACHE = 50_000  # entries that the Python worker remembers; the default of 1,000 would be unkind to this job
STATE_TTL = Time.days(90)

COLUMNS = ("event_id", "subject", "item_id", "event_type", "event_time", "value", "category", "source_offset")
TEXT = ("event_id", "subject", "item_id", "event_type", "category")
EVENT = Types.ROW_NAMED(
    list(COLUMNS),
    [Types.STRING() if name in TEXT else Types.DOUBLE() if name == "value" else Types.LONG() for name in COLUMNS],
)
SKETCH = 256  # of more different values than this, the hashes of the smallest tell how many there are
KEPT_GAPS = 48  # sessions that ended so many gaps ago are forgotten

Event = Any  # a Row of COLUMNS
State = list[Any]  # of one feature: plain data, since it is pickled with every event


class Decode(MapFunction):  # type: ignore[misc]  # pyflink has no types
    """Framed Avro to a row."""

    def __init__(self, registry_url: str) -> None:
        self._registry_url = registry_url

    def open(self, runtime_context: RuntimeContext) -> None:
        """Make the decoder where it runs."""
        self._decode = Decoder(INTERACTIONS_CLEAN, WriterSchemas(Registry(self._registry_url).schema))

    def map(self, value: bytes) -> Row:
        """Decode one event."""
        record = self._decode(value)
        return Row(**{name: record[name] for name in COLUMNS})  # named: the next function gets this very row


class FirstCopy(KeyedProcessFunction):  # type: ignore[misc]
    """Lets each event id through once."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Declare the state."""
        seen = ValueStateDescriptor("seen", Types.BOOLEAN())
        seen.enable_time_to_live(StateTtlConfig.new_builder(STATE_TTL).build())
        self._seen = runtime_context.get_state(seen)

    def process_element(self, value: Event, ctx: "KeyedProcessFunction.Context") -> Iterator[Event]:
        """Pass on the first copy."""
        if self._seen.value() is None:
            self._seen.update(True)  # noqa: FBT003 - a state holds one value and takes it by position
            yield value


class UpdateView(KeyedProcessFunction):  # type: ignore[misc]
    """Keeps the features of one view for each key in one value state."""

    def __init__(self, view: View) -> None:
        self._view = view

    def open(self, runtime_context: RuntimeContext) -> None:
        """Declare the state and prepare the features."""
        descriptor = ValueStateDescriptor(self._view.name, Types.PICKLED_BYTE_ARRAY())
        descriptor.enable_time_to_live(StateTtlConfig.new_builder(STATE_TTL).build())
        self._state = runtime_context.get_state(descriptor)
        self._features = [Feature(one) for one in self._view.features]

    def process_element(self, value: Event, ctx: "KeyedProcessFunction.Context") -> Iterator[Row]:
        """Add one event and pass on all values of its entity."""
        version, as_of, states = self._state.value() or (0, value.event_time, [one.zero() for one in self._features])
        version, as_of = version + 1, max(as_of, value.event_time)
        results = [one.add(state, value) for one, state in zip(self._features, states, strict=True)]
        self._state.update((version, as_of, states))
        yield Row([getattr(value, key) for key in self._view.keys], version, as_of, results)


class WriteHash(MapFunction):  # type: ignore[misc]
    """One HSET an event, in Feast's layout."""

    def __init__(self, view: View, redis_url: str, project: str) -> None:
        self._view = view
        self._redis_url = redis_url
        self._project = project

    def open(self, runtime_context: RuntimeContext) -> None:
        """Connect."""
        self._redis = redis.Redis.from_url(self._redis_url)
        self._key_of = EntityKeys(self._project, self._view.keys)
        self._fields = [field_name(self._view.name, one.name) for one in self._view.features]
        self._encoders = [ENCODERS[one.value_type] for one in self._view.features]

    def map(self, value: Row) -> int:
        """Write one entity."""
        key, version, as_of, results = value
        pairs = zip(self._encoders, results, strict=True)
        encoded = [NULL if result is None else encode(result) for encode, result in pairs]
        own = {version_field(self._view.name): f"{as_of}-{version}", timestamp_field(self._view.name): timestamp(as_of)}
        return int(self._redis.hset(self._key_of(key), mapping=own | dict(zip(self._fields, encoded, strict=True))))


class Feature:
    """One aggregation in plain Python: the same arithmetic as the Java classes of `udfs/java`."""

    def __init__(self, spec: Aggregation) -> None:
        self._spec = spec
        self._types = types_of(spec, spec.where)
        self._hits = types_of(spec, spec.hit)
        self._zero, self._add = FUNCTIONS[spec.function]

    def zero(self) -> State:
        """Return the state before the first event."""
        return self._zero()

    def add(self, state: State, event: Event) -> Any:
        """Add an event and return the feature's value."""
        value = getattr(event, self._spec.column)
        counted = value is not None and (self._types is None or event.event_type in self._types)
        if self._hits is not None:
            value = float(event.event_type in self._hits)
        return self._add(state, event, value if counted else None, self._spec)


def types_of(spec: Aggregation, condition: str) -> frozenset[str] | None:
    """Return the event types that a feature's condition names; None where it has no condition.

    Raises:
        FreshetError: the condition is about something else.
    """
    if not condition:
        return None
    if not re.fullmatch(r"event_type (= '\w+'|IN \(('\w+'(, )?)+\))", condition):
        raise FreshetError(f"Feature {spec.name}: the textbook job has no code for the condition {condition!r}.")
    return frozenset(re.findall(r"'(\w+)'", condition))


def _advance(state: State, event: Event, spec: Aggregation) -> int:
    """Drop the panes that have left the window; return the pane of the event."""
    pane: int = event.event_time // spec.slide_ms
    if state[0] is None or pane > state[0]:
        state[0] = pane
        for old in [one for one in state[1] if one < _oldest(state, spec)]:
            del state[1][old]
    return pane


def _oldest(state: State, spec: Aggregation) -> int:
    return int(state[0]) - spec.window_ms // spec.slide_ms + 1


def _cell(state: State, event: Event, value: Any, spec: Aggregation, empty: Callable[[], Any]) -> Any:
    """Let time pass to the event, and return the contents of its pane, or None if it changes nothing."""
    pane = _advance(state, event, spec)
    return state[1].setdefault(pane, empty()) if value is not None and pane >= _oldest(state, spec) else None


def _sum(state: State, event: Event, value: float | None, spec: Aggregation) -> float:
    if (cell := _cell(state, event, value, spec, lambda: [0.0])) is not None:
        cell[0] += value
    return float(sum(cell[0] for cell in state[1].values()))


def _count(state: State, event: Event, value: Any, spec: Aggregation) -> int:
    return int(_sum(state, event, None if value is None else 1.0, spec))


def _histogram(state: State, event: Event, value: Any, spec: Aggregation) -> list[int]:
    _count(state, event, value, spec)
    panes = range(spec.window_ms // spec.slide_ms)
    return [int(state[1].get(state[0] - back, [0.0])[0]) for back in panes]


def _share(state: State, event: Event, value: float | None, spec: Aggregation) -> tuple[float, float]:
    """Return how many values the window holds, and their sum."""
    if (cell := _cell(state, event, value, spec, lambda: [0, 0.0])) is not None:
        cell[0] += 1
        cell[1] += value
    return sum(cell[0] for cell in state[1].values()), sum(cell[1] for cell in state[1].values())


def _mean(state: State, event: Event, value: float | None, spec: Aggregation) -> float | None:
    count, total = _share(state, event, value, spec)
    return total / count if count else None


def _smooth(hits: float, events: float, spec: Aggregation) -> float | None:
    events += spec.prior_weight
    return (hits + spec.prior_weight * spec.prior) / events if events else None


def _rate(state: State, event: Event, value: float | None, spec: Aggregation) -> float | None:
    count, hits = _share(state, event, value, spec)
    return _smooth(hits, count, spec)


def _max(state: State, event: Event, value: float | None, spec: Aggregation) -> float | None:
    if (cell := _cell(state, event, value, spec, lambda: [value])) is not None:
        cell[0] = max(cell[0], value)
    return max((cell[0] for cell in state[1].values()), default=None)


def _stddev(state: State, event: Event, value: float | None, spec: Aggregation) -> float | None:
    """Keep the values of each pane: the plain way, and exact."""
    if (cell := _cell(state, event, value, spec, list)) is not None:
        cell.append(value)
    values = [value for cell in state[1].values() for value in cell]
    return statistics.stdev(values) if len(values) > 1 else None


def _top_k(state: State, event: Event, value: Any, spec: Aggregation) -> list[str]:
    if (cell := _cell(state, event, value, spec, dict)) is not None:
        cell[value] = cell.get(value, 0) + 1
    totals: dict[str, int] = {}
    for cell in state[1].values():
        for text, count in cell.items():
            totals[text] = totals.get(text, 0) + count
    return sorted(totals, key=lambda text: (-totals[text], text))[: spec.n]


def _see(state: State, event: Event, value: Any, spec: Aggregation) -> list[Any]:
    """Keep the newest pane of each value, and return the values that the window holds."""
    pane = event.event_time // spec.slide_ms
    state[0] = pane if state[0] is None else max(pane, state[0])
    if value is not None:
        state[1][value] = max(pane, state[1].get(value, pane))
    for old in [one for one, seen in state[1].items() if seen < _oldest(state, spec)]:
        del state[1][old]
    return list(state[1])


def _count_distinct(state: State, event: Event, value: Any, spec: Aggregation) -> int:
    return len(_see(state, event, value, spec))


def _approx_count_distinct(state: State, event: Event, value: Any, spec: Aggregation) -> int:
    hashed = None if value is None else mmh3.hash64(value.encode(), 0, signed=False)[0]
    hashes = _see(state, event, hashed, spec)
    if len(hashes) < SKETCH:
        return len(hashes)
    return int((SKETCH - 1) / (heapq.nsmallest(SKETCH, hashes)[-1] / 2.0**64) + 0.5)


def _since_last(state: State, event: Event, value: Any, spec: Aggregation) -> float | None:
    newest, last = state
    newest = max(event.event_time, newest)
    last = last if value is None else max(event.event_time, last)
    state[:] = newest, last
    return (newest - last) / 1000 if last else None


def _decay(age: int, half_life: int) -> float:
    return float(2.0 ** (-age / half_life))


def _ewma(state: State, event: Event, value: Any, spec: Aggregation) -> float:
    total, at = state
    if event.event_time > at:
        total, at = total * _decay(event.event_time - at, spec.window_ms) if at else 0.0, event.event_time
    if value is not None:
        total += _decay(at - event.event_time, spec.window_ms)
    state[:] = total, at
    return float(total)


def _ewma_rate(state: State, event: Event, value: float | None, spec: Aggregation) -> float | None:
    hits, events, at = state
    if event.event_time > at:
        left = _decay(event.event_time - at, spec.window_ms) if at else 0.0
        hits, events, at = hits * left, events * left, event.event_time
    if value is not None:
        weight = _decay(at - event.event_time, spec.window_ms)
        hits, events = hits + weight * value, events + weight
    state[:] = hits, events, at
    return _smooth(hits, events, spec)


def _trend(state: State, event: Event, value: Any, spec: Aggregation) -> float:
    half_lives = (spec.slide_ms, spec.window_ms)
    *sums, at = state
    if event.event_time > at:
        sums = [
            one * _decay(event.event_time - at, half) if at else 0.0 for one, half in zip(sums, half_lives, strict=True)
        ]
        at = event.event_time
    if value is not None:
        sums = [one + _decay(at - event.event_time, half) for one, half in zip(sums, half_lives, strict=True)]
    state[:] = *sums, at
    return float((sums[0] / half_lives[0]) / (sums[1] / half_lives[1])) if sums[1] else 0.0


def _last_n(state: State, event: Event, value: Any, spec: Aggregation) -> list[str]:
    if value is not None:
        state.append((event.event_time, event.source_offset, value))
        state.sort(key=lambda one: one[:2], reverse=True)
        del state[spec.n :]
    return [one[2] for one in state]


def _last_n_distinct(state: State, event: Event, value: Any, spec: Aggregation) -> list[str]:
    if value is not None:
        place = max([(event.event_time, event.source_offset), *(one[:2] for one in state if one[2] == value)])
        state[:] = sorted([*(one for one in state if one[2] != value), (*place, value)], reverse=True)[: spec.n]
    return [one[2] for one in state]


def _join_session(state: State, event: Event, value: Any, gap: int) -> None:
    """Keep [start, end, count, values with their latest places] of each session, oldest first."""
    time = event.event_time
    if state and time < state[-1][1] - KEPT_GAPS * gap:
        return
    near = [one for one in state if one[1] > time - gap and one[0] < time + gap]
    start, end = min([time, *(one[0] for one in near)]), max([time, *(one[1] for one in near)])
    values: dict[Any, tuple[int, int]] = {}
    for text, place in [pair for one in near for pair in one[3].items()] + [(value, (time, event.source_offset))]:
        values[text] = max(place, values.get(text, place))
    values.pop(None, None)
    joined = (start, end, (value is not None) + sum(one[2] for one in near), values)
    state[:] = sorted([*(one for one in state if one not in near), joined], key=lambda one: one[0])
    state[:] = [one for one in state if one[1] >= state[-1][1] - KEPT_GAPS * gap]


def _session_count(state: State, event: Event, value: Any, spec: Aggregation) -> int:
    _join_session(state, event, value, spec.window_ms)
    return int(state[-1][2])


def _session_duration(state: State, event: Event, value: Any, spec: Aggregation) -> float:
    _join_session(state, event, None, spec.window_ms)
    return float((state[-1][1] - state[-1][0]) / 1000)


def _session_items(state: State, event: Event, value: Any, spec: Aggregation) -> list[str]:
    _join_session(state, event, value, spec.window_ms)
    places = state[-1][3]
    return sorted(places, key=lambda text: places[text], reverse=True)[: spec.n]


def _panes() -> State:
    return [None, {}]


FUNCTIONS: dict[str, tuple[Callable[[], State], Callable[[State, Event, Any, Aggregation], Any]]] = {
    "count": (_panes, _count),
    "sum": (_panes, _sum),
    "mean": (_panes, _mean),
    "max": (_panes, _max),
    "stddev": (_panes, _stddev),
    "rate": (_panes, _rate),
    "histogram": (_panes, _histogram),
    "count_distinct": (_panes, _count_distinct),
    "approx_count_distinct": (_panes, _approx_count_distinct),
    "top_k": (_panes, _top_k),
    "since_last": (lambda: [0, 0], _since_last),
    "ewma": (lambda: [0.0, 0], _ewma),
    "ewma_rate": (lambda: [0.0, 0.0, 0], _ewma_rate),
    "trend": (lambda: [0.0, 0.0, 0], _trend),
    "last_n": (list, _last_n),
    "last_n_distinct": (list, _last_n_distinct),
    "session_count": (list, _session_count),
    "session_duration": (list, _session_duration),
    "session_items": (list, _session_items),
}


def build(env: StreamExecutionEnvironment, settings: Settings, views: list[View]) -> list[DataStream]:
    """Return the last stream of each view."""
    source = (
        KafkaSource.builder()
        .set_bootstrap_servers(settings.kafka.bootstrap_servers)
        .set_topics(INTERACTIONS_CLEAN)
        .set_group_id(GROUP)
        .set_starting_offsets(KafkaOffsetsInitializer.earliest())
        .set_value_only_deserializer(ByteArraySchema())
        .build()
    )
    unique = (
        env.from_source(source, WatermarkStrategy.no_watermarks(), "events")
        .map(Decode(settings.registry.url), output_type=EVENT)
        .key_by(lambda event: event.event_id, key_type=Types.STRING())
        .process(FirstCopy(), output_type=EVENT)
    )
    return [_view_stream(unique, view, settings) for view in views]


def _view_stream(unique: DataStream, view: View, settings: Settings) -> DataStream:
    keys = view.keys
    url, project = settings.redis.url.get_secret_value(), settings.redis.project
    return (
        unique.filter(lambda event: all(getattr(event, key) is not None for key in keys))
        .key_by(lambda event: "\0".join(getattr(event, key) for key in keys), key_type=Types.STRING())
        .process(UpdateView(view))
        .map(WriteHash(view, url, project), output_type=Types.INT())
        .name(view.name)
    )


def main() -> None:
    """Submit the job to the cluster that runs this."""
    settings = load_settings()
    config = Configuration()
    config.set_integer("python.state.cache-size", STATE_CACHE)
    config.set_string("python.execution-mode", "thread")
    env = StreamExecutionEnvironment.get_execution_environment(config)
    env.set_parallelism(1)
    build(env, settings, registered_views(settings))
    env.execute_async("textbook")


if __name__ == "__main__":
    main()
