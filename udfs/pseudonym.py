"""Subjects: keyed, one-way names of users."""

import base64
import hashlib
import hmac
import os
from functools import lru_cache
from pathlib import Path

from freshet.errors import FreshetError

SUBJECT_BYTES = 18  # 144 bits: no two of a billion users share one (odds 1 in 10^25), and base64 needs no padding
SHORTEST_KEY = 16
KEY_VARIABLE = "FRESHET_PRIVACY__PSEUDONYM_KEY"


def subject_of(user_id: str, key: bytes) -> str:
    """Return the subject of a user: HMAC-SHA-256, cut to 144 bits, in 24 URL-safe characters.

    >>> subject_of("u1", b"0123456789abcdef")
    'UWK92xi9oAgqeznEcvfRGCNM'
    """
    digest = hmac.digest(key, user_id.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:SUBJECT_BYTES]).decode()


@lru_cache(maxsize=8)
def load_key(key_file: Path | None) -> bytes:
    """Return the secret: the variable FRESHET_PRIVACY__PSEUDONYM_KEY if it is set, else the content of the file.

    It is read where it is used, on the workers too, so that no job graph or checkpoint carries it.

    Raises:
        FreshetError: neither holds a key of 16 characters or more.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if not key and key_file is not None and key_file.exists():
        key = key_file.read_text("utf-8").strip()
    if len(key) < SHORTEST_KEY:
        where = f"{key_file} does not hold one" if key_file else "no key file is set"
        raise FreshetError(
            f"There is no pseudonym key of {SHORTEST_KEY} characters or more ({where}): "
            f"run `freshet up`, or set {KEY_VARIABLE}."
        )
    return key.encode()
