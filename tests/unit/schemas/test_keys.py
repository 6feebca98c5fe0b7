"""The Redis key grammar: what is written is read back, and nothing else is a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.schemas.keys import NAME, SUBJECT, Hot, NotAKey, Rules, TopN

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
    for kind in (TopN, Hot, Rules):
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


def test_the_subject_is_the_part_that_a_redis_cluster_hashes() -> None:
    assert TopN("home", "Zm9v").encode() == "topn:home:{Zm9v}"
    assert Rules("Zm9v").encode() == "rules:{Zm9v}"
