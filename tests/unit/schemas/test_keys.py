"""The Redis key grammar: what is written is read back, and nothing else is a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.schemas.keys import NAME, SUBJECT, Holds, Hot, NotAKey, Rules, TopN, TrendRow, TrendSet

names = st.from_regex(NAME, fullmatch=True)
subjects = st.from_regex(SUBJECT, fullmatch=True)


@given(names, subjects)
def test_every_list_key_is_read_back(placement: str, subject: str) -> None:
    key = TopN(placement, subject)
    assert TopN.decode(key.encode()) == key


@given(names, st.none() | names)
def test_every_hot_key_is_read_back(placement: str, segment: str | None) -> None:
    key = Hot(placement, segment)
    assert Hot.decode(key.encode()) == key


@given(subjects)
def test_every_key_of_rules_is_read_back(subject: str) -> None:
    assert Rules.decode(Rules(subject).encode()) == Rules(subject)


@given(names, st.integers(0), st.text(min_size=1))
def test_every_key_of_holders_is_read_back(placement: str, span: int, item: str) -> None:
    key = Holds(placement, span, item)
    assert Holds.decode(key.encode()) == key


@given(st.text(min_size=1))
def test_an_item_cannot_choose_the_slot_of_its_holders_or_break_their_key(item: str) -> None:
    slot, _, rest = Holds("home", 0, item).encode().removeprefix("holds:{").partition("}:home:0:")
    assert slot.isdigit()
    assert not set(rest) & set("{}: \n*")


@pytest.mark.parametrize("item", ["", "\ud800"])
def test_what_is_no_text_has_no_holders(item: str) -> None:
    with pytest.raises(NotAKey):
        Holds("home", 0, item).encode()


@pytest.mark.parametrize(
    "key", ["holds:{3}:home:07:a", "holds:{4}:home:7:a", "holds:{3}:home:7:%61", "holds:{3}:home:7:%ff"]
)
def test_a_key_of_holders_is_written_in_one_way_only(key: str) -> None:
    with pytest.raises(NotAKey):
        Holds.decode(key)


@given(names, st.text(min_size=1))
def test_every_key_of_a_trend_is_read_back(name: str, key: str) -> None:
    assert TrendSet.decode(TrendSet(name).encode()) == TrendSet(name)
    assert TrendRow.decode(TrendRow(name, key).encode()) == TrendRow(name, key)


@pytest.mark.parametrize("key", ["", "\ud800"])
def test_what_is_no_text_has_no_row(key: str) -> None:
    with pytest.raises(NotAKey):
        TrendRow("popular", key).encode()


@given(st.text())
def test_a_subject_gets_a_key_only_if_the_key_can_be_read_back(subject: str) -> None:
    try:
        encoded = TopN("home", subject).encode()
    except NotAKey:
        assert not SUBJECT.fullmatch(subject)
    else:
        assert TopN.decode(encoded).subject == subject


@given(st.text())
def test_text_is_refused_or_is_exactly_the_key_that_it_decodes_to(text: str) -> None:
    for kind in (TopN, Hot, Rules, Holds, TrendSet, TrendRow):
        try:
            key = kind.decode(text)
        except NotAKey:
            continue
        assert key.encode() == text


@given(names, subjects, names, st.none() | names)
def test_a_list_key_is_never_a_hot_key(placement: str, subject: str, other: str, segment: str | None) -> None:
    with pytest.raises(NotAKey):
        Hot.decode(TopN(placement, subject).encode())
    with pytest.raises(NotAKey):
        TopN.decode(Hot(other, segment).encode())


@pytest.mark.parametrize("part", ["", "a b", "a:b", "a\n", "{a}", "*", "a}", "Ä"])
def test_parts_that_would_break_a_key_are_refused(part: str) -> None:
    with pytest.raises(NotAKey):
        TopN("home", part).encode()
    with pytest.raises(NotAKey):
        TopN(part, "s").encode()
    with pytest.raises(NotAKey):
        Hot("home", part).encode()
    with pytest.raises(NotAKey):
        Hot(part).encode()
    with pytest.raises(NotAKey):
        Rules(part).encode()
    with pytest.raises(NotAKey):
        Holds(part, 0, "i").encode()
    with pytest.raises(NotAKey):
        TrendSet(part).encode()
    with pytest.raises(NotAKey):
        TrendRow(part, "all").encode()


def test_the_subject_is_the_part_that_a_redis_cluster_hashes() -> None:
    assert TopN("home", "Zm9v").encode() == "topn:home:{Zm9v}"
    assert Rules("Zm9v").encode() == "rules:{Zm9v}"
