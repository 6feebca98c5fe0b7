"""The Java on both sides of the recommender: what it gathers, and the records that it writes, held to fastavro."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.schemas.avro import Decoder, Encoder, schema_text
from freshet.schemas.topics import RECOMMENDATIONS
from freshet.udfs.top_n import Because, Intervention, ListedItem, Places, TopList
from freshet.udfs.versions import Version
from local_flink import LocalFlink

pytestmark = pytest.mark.flink

SCHEMA_ID = 41
MOST = 8

texts = st.text(max_size=200)
numbers = st.floats(allow_nan=False, allow_infinity=False)  # which JSON has not
times = st.integers(-(1 << 62), 1 << 62)
several_texts = st.lists(texts, max_size=3).map(tuple)
evidence = st.builds(Because, texts, several_texts, texts, numbers)
places = st.builds(
    ListedItem,
    item_id=texts,
    score=numbers,
    source=texts,
    reason=texts,
    evidence=st.none() | evidence,
    contributions=st.lists(st.tuples(texts, numbers), max_size=3).map(tuple),
    moves=several_texts,
    price=st.none() | numbers,
    promotion=st.none() | texts,
)
lists = st.builds(
    TopList,
    placement=texts,
    subject=texts,
    places=st.lists(places, max_size=70).map(Places.of),
    model_version=texts,
    tier=texts,
    version=st.builds(Version, times, st.integers(0, 1 << 62)),
    computed_at=times,
    event_id=texts,
    arm=texts,
    config_version=texts,
    intervention=st.none() | st.builds(Intervention, texts, texts, st.none() | texts, times),
)


@pytest.fixture(scope="module")
def writer(jvm: Any) -> Any:
    return jvm.freshet.lists.ListTrial(schema_text(RECOMMENDATIONS), SCHEMA_ID)


@given(one=lists)
def test_the_bytes_are_those_of_fastavro(writer: Any, one: TopList) -> None:
    assert writer.record(one.json) == Encoder(RECOMMENDATIONS, SCHEMA_ID)(one.record())


def test_every_field_of_the_schema_comes_back(writer: Any) -> None:
    because = Because("items", ("i2", "i3"), "often bought with", 0.5)
    place = ListedItem("i1", 1.5, "co-visit", "a reason", because, (("trend", 0.25),), ("cap",), 2.5, "spring")
    asked = Intervention("coupon", "many-views", "i9", 1_700_000_000_009)
    one = TopList("home", "s", Places.of([place]), "m/1", "full-cpu", Version(5, 2), 7, "e", "b", "c1", asked)
    read: dict[str, Any] = Decoder(RECOMMENDATIONS, lambda schema_id: schema_text(RECOMMENDATIONS))(
        writer.record(one.json)
    )
    assert read == one.record() | {
        "items": [place.record() | {"moves": ["cap"], "evidence": because.record() | {"items": ["i2", "i3"]}}]
    }
    assert all(value not in (None, "", []) for value in read["items"][0].values())


@pytest.mark.parametrize(("field", "value"), [("subject", None), ("as_of", None), ("as_of", "soon"), ("tier", 3)])
def test_a_field_that_is_missing_or_of_another_type_is_an_error(writer: Any, field: str, value: object) -> None:
    record = TopList("home", "s", Places.of([]), "m/1", "full-cpu", Version(5, 2), 7, "e").record()
    with pytest.raises(Exception, match="where its schema has a"):
        writer.record(orjson.dumps(record | {field: value}))
    del record[field]
    with pytest.raises(Exception, match="where its schema has a"):
        writer.record(orjson.dumps(record))


@pytest.mark.parametrize("count", [1, MOST, 3 * MOST + 1])
def test_what_is_gathered_is_all_that_came_in_its_order(
    flink: Callable[[Mapping[str, str]], LocalFlink], jvm: Any, count: int
) -> None:
    from pyflink.table import Table

    local = flink({"parallelism.default": "1"})
    local.table("announced", {"name": "STRING"}, [(f"{number:03}",) for number in range(count)], files=1)
    announced = local.env.sql_query("SELECT CAST(name AS BYTES) AS payload FROM announced")
    gathered = jvm.freshet.lists.ListJob.gather(local.env._j_tenv, announced._j_table, MOST, 1)
    local.env.create_temporary_view("batches", Table(gathered, local.env))
    batches = [batch for (batch,) in local.rows("SELECT payloads FROM batches")]
    assert b"".join(b"".join(batch) for batch in batches).decode() == "".join(f"{number:03}" for number in range(count))
    assert all(0 < len(batch) <= MOST for batch in batches)
