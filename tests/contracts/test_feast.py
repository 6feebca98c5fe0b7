"""What we write is Feast's own, byte for byte: Feast's clients read it, and Feast's registry says what it is."""

import shutil
import string as letters
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import redis
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from builders import FEATURE_REPO, NOON, REPOS, hours, the_shops_rules, the_shops_views
from contracts.writer import Values, ViewWriter
from freshet.commands import features
from freshet.definitions import apply_definitions, load_definitions
from freshet.errors import FreshetError
from freshet.jobs.feature_registry import (
    KEY_TTL_SECONDS,
    connection_string,
    feature_store,
    registered_views,
    registry_file,
    repo_config,
)
from freshet.settings import Settings
from freshet.udfs.feast_layout import ENCODERS, NULL, EntityKeys, field_name, timestamp, timestamp_field, version_field
from freshet.udfs.live_features import LiveReader
from freshet.udfs.read_features import FeatureReader
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.time_passed import value_now
from freshet.udfs.versions import Version
from freshet.udfs.views import View

if TYPE_CHECKING:
    from feast import FeatureStore

pytestmark = [pytest.mark.stack, pytest.mark.filterwarnings("ignore")]  # Feast has much to warn of

VIEWS = {view.name: view for view in the_shops_views()}
SPECIAL: dict[str, Sequence[Any]] = {
    "Int64": (7, 0, -1, 2**63 - 1),
    "Float64": (2.5, 0.0, -1e-300, 1e300),
    "Array(Int64)": ([0, 3, -1], [2**63 - 1] * 24, [300], [0]),
    "Array(String)": (["b", "a"], ["Молоко 🥛"], ["x" * 300] * 20, [""]),
}


@pytest.fixture(scope="module")
def feast(stack: object, settings: Settings) -> Iterator["FeatureStore"]:
    """Feast's store over this run's Redis, with the shop's definitions applied by our command; what is written goes again."""
    apply()
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
        before = set(client.scan_iter())
        yield feature_store(settings)
        client.delete(*set(client.scan_iter()) - before)


def apply() -> str:
    """Run `freshet features apply` and return what it printed."""
    done = CliRunner().invoke(features.app, ["apply", "--repo", str(FEATURE_REPO)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture
def store(stack: object, settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
        yield client


@pytest.fixture
def pipe(stack: object, settings: Settings) -> RedisPipe:
    return RedisPipe(settings.redis.url.get_secret_value())


@dataclass(frozen=True)
class Row:
    """The values of one entity of a view, as Python values and as the job's own."""

    view: View
    key: tuple[str, ...]
    features: tuple[Any, ...]
    as_of: int = NOON

    def encoded(self) -> Values:
        pairs = zip(self.view.features, self.features, strict=True)
        values = [NULL if value is None else ENCODERS[feature.value_type](value) for feature, value in pairs]
        return Values(self.key, Version(self.as_of, 1), values)

    def frame(self) -> pd.DataFrame:
        """Return the same as Feast takes it."""
        names = [*self.view.keys, *(feature.name for feature in self.view.features)]
        row = dict(zip(names, (*self.key, *self.features), strict=True))
        return pd.DataFrame([row | {"event_time": datetime.fromtimestamp(self.as_of / 1000, tz=timezone.utc)}])

    def redis_key(self) -> bytes:
        return EntityKeys("freshet", self.view.keys)(self.key)


def a_row(view: str, number: int, **changes: Any) -> Row:
    declared = VIEWS[view]
    features = tuple(SPECIAL[feature.value_type][number % 4] for feature in declared.features)
    return Row(declared, tuple(f"{key}-{number} ж" for key in declared.keys), **({"features": features} | changes))


# ---- Writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_of", [NOON, NOON + 1, NOON + 999])
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("view", VIEWS)
def test_our_bytes_are_feasts_bytes(
    feast: "FeatureStore", store: redis.Redis, pipe: RedisPipe, view: str, number: int, as_of: int
) -> None:
    """The same key, fields and values; `_v:<view>` is ours alone, and the join keys beside them Feast's."""
    row = a_row(view, number, as_of=as_of)
    store.delete(row.redis_key())
    feast.write_to_online_store(view, row.frame())
    by_feast, lifetime = store.hgetall(row.redis_key()), store.ttl(row.redis_key())
    for key in row.view.keys:
        by_feast.pop(field_name(view, key), None)
    assert len(by_feast) == len(row.features) + 1
    store.delete(row.redis_key())
    ViewWriter(row.view, "freshet", KEY_TTL_SECONDS, pipe).write([row.encoded()])
    by_us = store.hgetall(row.redis_key())
    assert by_us.pop(version_field(view)) == f"{as_of}-1".encode()
    assert by_us == by_feast
    assert store.ttl(row.redis_key()) == pytest.approx(lifetime, abs=60)


def values(number: int) -> tuple[Any, ...]:
    """Return values for the features of an item."""
    return (*(float(number),) * 5, number, float(number))


def test_feast_may_write_over_us_and_we_over_feast(feast: "FeatureStore", pipe: RedisPipe) -> None:
    """A backfill by Feast leaves our version alone, so the job goes on where it was."""
    first, backfill, second = (
        a_row("item_popularity", 9, features=(float(n),) * 5 + (n, float(n)), as_of=NOON + n) for n in range(3)
    )
    writer = ViewWriter(first.view, "freshet", KEY_TTL_SECONDS, pipe)
    writer.write([first.encoded()])
    feast.write_to_online_store("item_popularity", backfill.frame())
    assert read(feast, backfill) == backfill.features
    assert writer.write([second.encoded()]).accepted == 1
    assert read(feast, second) == second.features


# ---- Reading --------------------------------------------------------------------------------------------------------


def read(feast: "FeatureStore", *rows: Row) -> tuple[Any, ...]:
    """Return the features of the first row's entity, with those of the others' views, as any Feast client reads them."""
    names = [f"{row.view.name}:{feature.name}" for row in rows for feature in row.view.features]
    entity = dict(zip(rows[0].view.keys, rows[0].key, strict=True))
    answer = feast.get_online_features(features=names, entity_rows=[entity]).to_dict()
    return tuple(answer[name.partition(":")[2]][0] for name in names)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("view", VIEWS)
def test_feast_reads_what_we_write(feast: "FeatureStore", pipe: RedisPipe, view: str, number: int) -> None:
    row = a_row(view, number + 20, features=a_row(view, number).features)
    ViewWriter(row.view, "freshet", KEY_TTL_SECONDS, pipe).write([row.encoded()])
    assert read(feast, row) == row.features


def test_a_feature_service_of_a_view_reads_all_of_it(feast: "FeatureStore", pipe: RedisPipe) -> None:
    from feast import FeatureService

    declared = load_definitions(FEATURE_REPO / "definitions.py")["user_category_affinity"]
    feast.apply([FeatureService(name="home_ranker_v1", features=[declared])])
    row = a_row("user_category_affinity", 50)
    ViewWriter(row.view, "freshet", KEY_TTL_SECONDS, pipe).write([row.encoded()])
    entity = dict(zip(row.view.keys, row.key, strict=True))
    answer = feast.get_online_features(feast.get_feature_service("home_ranker_v1"), [entity]).to_dict()
    values = dict(zip((feature.name for feature in row.view.features), row.features, strict=True))
    assert answer == {name: [value] for name, value in (entity | values).items()}


@pytest.mark.parametrize("view", VIEWS)
def test_what_nobody_wrote_reads_as_none(feast: "FeatureStore", view: str) -> None:
    row = a_row(view, 404)
    assert read(feast, row) == (None,) * len(row.features)


def test_a_null_reads_as_none(feast: "FeatureStore", pipe: RedisPipe) -> None:
    row = a_row("item_popularity", 31, features=(1.5, None, 0.0, 0.5, 0.25, 7, None))
    ViewWriter(row.view, "freshet", KEY_TTL_SECONDS, pipe).write([row.encoded()])
    assert read(feast, row) == (1.5, None, 0.0, 0.5, 0.25, 7, None)


def test_a_list_of_nothing_reads_as_a_list(feast: "FeatureStore", pipe: RedisPipe) -> None:
    row = a_row("user_activity", 32)
    empty = tuple([] if isinstance(value, list) else value for value in row.features)
    row = a_row("user_activity", 32, features=empty)
    ViewWriter(row.view, "freshet", KEY_TTL_SECONDS, pipe).write([row.encoded()])
    assert read(feast, row) == empty


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("view", VIEWS)
def test_our_own_reader_reads_what_feasts_reads(feast: "FeatureStore", pipe: RedisPipe, view: str, number: int) -> None:
    row, missing = a_row(view, number + 40, features=a_row(view, number).features), a_row(view, 404)
    ViewWriter(row.view, "freshet", KEY_TTL_SECONDS, pipe).write([row.encoded()])
    names = [feature.name for feature in row.view.features]
    found, nothing = FeatureReader(pipe, "freshet", view, row.view.keys, names).read([row.key, missing.key])
    assert (found.as_of, found.version) == (row.as_of, f"{row.as_of}-1")
    assert found.values == read(feast, row)
    assert (nothing.as_of, nothing.version, nothing.values) == (None, None, read(feast, missing))


# ---- Feast's own commands -------------------------------------------------------------------------------------------


@REPOS
def test_feast_apply_of_the_same_folder_changes_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repo: Path
) -> None:
    """What `feast plan` finds; the order of a view's fields is left out, since Feast itself shuffles it."""
    from feast import Project
    from feast.diff.property_diff import TransitionType
    from feast.repo_operations import parse_repo

    own_registry = settings.local.model_copy(update={"home": tmp_path / "home"})
    feast = feature_store_of(settings.model_copy(update={"local": own_registry}), repo)
    shutil.copy(repo / "definitions.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "definitions", raising=False)  # else Feast takes another folder's
    contents = parse_repo(tmp_path)
    monkeypatch.delitem(sys.modules, "definitions")
    contents.projects.append(Project(name="freshet"))  # as Feast's command does
    objects, infrastructure, _ = feast.plan(contents)
    changed = [one for one in objects.feast_object_diffs if one.transition_type != TransitionType.UNCHANGED]
    properties = [(one.name, diff) for one in changed for diff in one.feast_object_property_diffs]
    assert [one.name for one in changed if not one.feast_object_property_diffs] == []
    assert [
        (name, diff.property_name)
        for name, diff in properties
        if in_any_order(diff.val_existing) != in_any_order(diff.val_declared)
    ] == []
    told: Any = infrastructure
    assert "No changes to infrastructure" in told.to_string()


def feature_store_of(settings: Settings, repo: Path) -> "FeatureStore":
    apply_definitions(settings, repo)
    return feature_store(settings)


def in_any_order(value: Any) -> Any:
    """Return a property as it is compared: lists in any order, a source without the times of its registration."""
    if isinstance(value, Message):
        source: Any = type(value).FromString(value.SerializeToString())
        source.ClearField("meta")
        source.batch_source.ClearField("meta")
        return source
    return value if isinstance(value, str) else sorted(map(str, value))


def test_feasts_sdk_lists_what_we_apply(feast: "FeatureStore") -> None:
    assert {view.name for view in feast.list_stream_feature_views()} == set(VIEWS)
    assert {entity.name for entity in feast.list_entities()} >= {"user", "item", "category"}
    for name, view in VIEWS.items():
        declared = feast.get_stream_feature_view(name)
        assert {one.name for one in declared.aggregations} == {feature.name for feature in view.features}


# ---- Feast's own functions, over more values than a store has time for ----------------------------------------------

TEXTS = st.text(max_size=40)
NAMES = st.text(letters.ascii_lowercase + "_", min_size=1, max_size=30)


@given(st.dictionaries(NAMES, TEXTS, min_size=1, max_size=3), st.randoms(use_true_random=False), NAMES)
def test_entity_keys_are_feasts(entity: dict[str, str], shuffle: Any, project: str) -> None:
    from feast.infra.online_stores.helpers import _redis_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    protos = [Value(string_val=value) for value in entity.values()]
    theirs = _redis_key(project, EntityKey(join_keys=list(entity), entity_values=protos), 3)
    keys = list(entity)
    shuffle.shuffle(keys)
    assert EntityKeys(project, keys)([entity[key] for key in keys]) == theirs


@given(NAMES, NAMES)
def test_field_names_are_feasts(view: str, feature: str) -> None:
    from feast.infra.online_stores.helpers import _mmh3

    assert field_name(view, feature) == _mmh3(f"{view}:{feature}")


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_timestamps_are_protobufs(ms: int) -> None:
    from google.protobuf.timestamp_pb2 import Timestamp

    proto = Timestamp()
    proto.FromMilliseconds(ms)
    assert timestamp(ms) == proto.SerializeToString()


LONGS = st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.floats(allow_nan=False)
VALUES = {
    "Int64": LONGS,
    "Float64": DOUBLES,
    "String": TEXTS,
    "Array(String)": st.lists(TEXTS),
    "Array(Int64)": st.lists(LONGS),
    "Array(Float64)": st.lists(DOUBLES),
}


@pytest.mark.parametrize("kind", ENCODERS)
@given(data=st.data())
def test_values_are_feasts(kind: str, data: st.DataObject) -> None:
    from feast.protos.feast.types.Value_pb2 import DoubleList, Int64List, StringList, Value

    value: Any = data.draw(VALUES[kind])
    protos = {
        "Int64": lambda: Value(int64_val=value),
        "Float64": lambda: Value(double_val=value),
        "String": lambda: Value(string_val=value),
        "Array(String)": lambda: Value(string_list_val=StringList(val=value)),
        "Array(Int64)": lambda: Value(int64_list_val=Int64List(val=value)),
        "Array(Float64)": lambda: Value(double_list_val=DoubleList(val=value)),
    }
    assert protos.keys() == ENCODERS.keys()
    assert ENCODERS[kind](value) == protos[kind]().SerializeToString()


def test_no_two_fields_of_the_shop_share_their_four_bytes() -> None:
    fields = [field_name(view.name, feature.name) for view in VIEWS.values() for feature in view.features]
    marks = [mark(view) for view in VIEWS for mark in (timestamp_field, version_field)]
    assert len({*fields, *marks}) == len(fields) + len(marks)


# ---- The registry ---------------------------------------------------------------------------------------------------


def test_the_registry_gives_back_what_was_declared(feast: "FeatureStore", settings: Settings) -> None:
    definitions = load_definitions(FEATURE_REPO / "definitions.py").values()
    declared = {one.name: one for one in definitions if type(one).__name__ == "StreamFeatureView"}
    registered = {one.name: one for one in feast.list_stream_feature_views()}
    assert registered.keys() == declared.keys()
    for name, view in declared.items():
        back = registered[name]
        assert back.aggregations == view.aggregations
        assert (back.tags, back.ttl, back.description) == (view.tags, view.ttl, view.description)
        assert {field.name: (field.dtype, field.description) for field in back.schema} == {
            field.name: (field.dtype, field.description) for field in view.schema
        }
    assert tuple(registered_views(settings)) == the_shops_views()


def test_applying_again_changes_nothing(feast: "FeatureStore", settings: Settings) -> None:
    before = registered_views(settings)
    rules = sorted(rule.name for rule in the_shops_rules())
    assert apply() == f"Registered: {', '.join(sorted(VIEWS))}.\nRules: {', '.join(rules)}.\n"
    assert registered_views(settings) == before


@REPOS
def test_feasts_own_settings_file_says_what_our_settings_say(monkeypatch: pytest.MonkeyPatch, repo: Path) -> None:
    """Who starts from `feature_store.yaml` gets the same store and registry as who starts from our defaults."""
    from feast.repo_config import load_repo_config

    monkeypatch.chdir(FEATURE_REPO.parent)
    for name in ("FRESHET_LOCAL__HOME", "FRESHET_LOCAL__PORT_BASE"):
        monkeypatch.delenv(name, raising=False)
    ours = repo_config(Settings(_env_file=None))
    theirs = load_repo_config(repo, repo / "feature_store.yaml")
    assert (repo / theirs.registry.path).resolve() == registry_file(Settings(_env_file=None))
    for part in ("project", "provider", "online_store", "offline_store", "entity_key_serialization_version"):
        assert getattr(theirs, part) == getattr(ours, part), part


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://127.0.0.1:9483/0", "127.0.0.1:9483"),
        ("redis://store", "store:6379"),
        ("redis://store:1/3", "store:1,db=3"),
        ("rediss://ann:secret@store:1", "store:1,username=ann,password=secret,ssl=true"),
        ("redis://ann:pa%40ss@store:1", "store:1,username=ann,password=pa@ss"),
        ("redis://:12345@store:1", 'store:1,password="12345"'),
    ],
)
def test_a_redis_address_in_feasts_form(url: str, text: str) -> None:
    assert connection_string(url) == text


def test_a_password_that_feast_cannot_be_told_is_refused() -> None:
    with pytest.raises(FreshetError, match="comma"):
        connection_string("redis://:a,b@store:1")


# ---- Reading with the time that has passed --------------------------------------------------------------------------


@pytest.mark.parametrize("later", [0, 1, hours(1), hours(30), hours(24 * 60)])
@pytest.mark.parametrize("view", VIEWS)
def test_the_live_reader_says_what_feast_says_and_lets_time_pass(
    feast: "FeatureStore", store: redis.Redis, pipe: RedisPipe, view: str, later: int
) -> None:
    row = a_row(view, 0)
    store.delete(row.redis_key())
    ViewWriter(row.view, "freshet", KEY_TTL_SECONDS, pipe).write([row.encoded()])
    [reading] = LiveReader(pipe, "freshet", row.view).read([row.key], NOON + later)
    names = [feature.name for feature in row.view.features]
    answer = feast.get_online_features(
        features=[f"{view}:{name}" for name in names],
        entity_rows=[dict(zip(row.view.keys, row.key, strict=True))],
    ).to_dict()
    stored = [answer[name][0] for name in names]
    right = [value_now(one, value, NOON, NOON + later) for one, value in zip(row.view.features, stored, strict=True)]
    assert (reading.as_of, list(reading.values)) == (NOON + later, right)
    assert (right == stored) == (later == 0)


def test_the_live_reader_leaves_an_entity_that_nobody_wrote_alone(pipe: RedisPipe) -> None:
    [reading] = LiveReader(pipe, "freshet", VIEWS["user_activity"]).read([("nobody",)], NOON)
    assert reading.as_of is None
    assert set(reading.values) == {None}
