"""Subjects: the same for the same user and key, and of no use to one who has no key."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet.errors import FreshetError
from freshet.udfs.pseudonym import KEY_VARIABLE, load_key, subject_of

KEY, OTHER_KEY = b"0123456789abcdef", b"fedcba9876543210"
USERS = st.text(min_size=1, max_size=40)


def test_the_subject_of_a_known_user_never_changes() -> None:
    """It is in every key of the store: another one would lose all that is known of all users."""
    assert subject_of("900", KEY) == "_54tZIhzwaKjgiuYOGxPJY6k"


@given(USERS)
def test_a_subject_is_the_head_of_a_keyed_hash(user: str) -> None:
    digest = hmac.new(KEY, user.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(subject_of(user, KEY)) == digest[:18]


@given(USERS)
def test_a_subject_is_24_characters_that_any_key_may_hold(user: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", subject_of(user, KEY))


@given(USERS)
def test_another_key_gives_another_subject(user: str) -> None:
    assert subject_of(user, KEY) != subject_of(user, OTHER_KEY)


@given(USERS, USERS)
def test_other_users_have_other_subjects(one: str, other: str) -> None:
    assert (subject_of(one, KEY) == subject_of(other, KEY)) == (one == other)


@given(USERS)
def test_who_has_no_key_cannot_find_the_subject_by_hashing_the_user(user: str) -> None:
    """The ids of a shop's users can be listed; a plain hash of each would tell who is who."""
    guesses = (user.encode(), KEY + user.encode(), user.encode() + KEY)
    digests = [hash_of(guess).digest() for guess in guesses for hash_of in (hashlib.sha256, hashlib.sha1, hashlib.md5)]
    assert all(base64.urlsafe_b64encode(digest).decode()[:20] not in subject_of(user, KEY) for digest in digests)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    load_key.cache_clear()
    yield
    load_key.cache_clear()


def test_the_variable_is_the_key_whatever_the_file_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of the file, long enough")
    monkeypatch.setenv(KEY_VARIABLE, "of the variable, long enough")
    assert load_key(tmp_path / "key") == b"of the variable, long enough"


def test_the_file_is_read_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef\n")
    assert load_key(tmp_path / "key") == KEY


@pytest.mark.parametrize("text", ["", "too short", " " * 40])
def test_a_key_that_protects_nobody_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(FreshetError, match=r"16 characters or more .*key does not hold one.*`freshet up`") as refusal:
        load_key(tmp_path / "key")
    assert not text.strip() or text not in str(refusal.value)


def test_no_key_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(FreshetError, match="no key file is set"):
        load_key(None)
    with pytest.raises(FreshetError, match="does not hold one"):
        load_key(tmp_path / "missing")
