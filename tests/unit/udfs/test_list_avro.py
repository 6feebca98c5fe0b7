"""The fast writer of lists, held to fastavro and the schema."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from freshet.schemas.avro import Decoder, Encoder, schema_text
from freshet.schemas.topics import RECOMMENDATIONS
from freshet.udfs.list_avro import encode_list
from freshet.udfs.top_n import Because, Intervention, ListedItem, TopList
from freshet.udfs.versions import Version

SCHEMA_ID = 41

texts = st.text(max_size=200)
numbers = st.floats(allow_nan=False)
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
    items=st.lists(places, max_size=70).map(tuple),
    model_version=texts,
    tier=texts,
    version=st.builds(Version, times, st.integers(0, 1 << 62)),
    computed_at=times,
    event_id=texts,
    arm=texts,
    config_version=texts,
    intervention=st.none() | st.builds(Intervention, texts, texts, st.none() | texts, times),
)


@given(lists)
def test_the_bytes_are_those_of_fastavro(one: TopList) -> None:
    assert encode_list(SCHEMA_ID, one) == Encoder(RECOMMENDATIONS, SCHEMA_ID)(one.record())


def test_every_field_of_the_schema_comes_back() -> None:
    because = Because("items", ("i2", "i3"), "often bought with", 0.5)
    place = ListedItem("i1", 1.5, "co-visit", "a reason", because, (("trend", 0.25),), ("cap",), 2.5, "spring")
    asked = Intervention("coupon", "many-views", "i9", 1_700_000_000_009)
    one = TopList("home", "s", (place,), "m/1", "full-cpu", Version(5, 2), 7, "e", "b", "c1", asked)
    read: dict[str, Any] = Decoder(RECOMMENDATIONS, lambda schema_id: schema_text(RECOMMENDATIONS))(
        encode_list(SCHEMA_ID, one)
    )
    assert read == one.record() | {
        "items": [place.record() | {"moves": ["cap"], "evidence": because.record() | {"items": ["i2", "i3"]}}]
    }
    assert all(value not in (None, "", []) for value in read["items"][0].values())
