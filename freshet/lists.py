"""Reads lists as a serving layer would: the user's own, else the hot list, in one GET each."""

import json
from dataclasses import dataclass
from typing import Any

import redis

from freshet.errors import FreshetError
from freshet.schemas.keys import Hot, TopN
from freshet.settings import Settings
from freshet.udfs.pseudonym import load_key, subject_of


@dataclass(frozen=True)
class Answer:
    """A list and the key that it was found under."""

    key: str
    value: dict[str, Any]

    @property
    def is_personal(self) -> bool:
        """Whether the list was made for this user."""
        return self.key.startswith("topn:")

    @property
    def items(self) -> list[dict[str, Any]]:
        """The places of the list, best first."""
        return list(self.value["items"])

    @property
    def sequence(self) -> int:
        """How many events of the user the list knows."""
        return int(self.value["version"].rpartition("-")[2])


class ListReader:
    """A connection to the store that reads lists."""

    def __init__(self, settings: Settings, placement: str | None = None) -> None:
        """Read lists of a placement; None: of the first that the settings name."""
        self._store = redis.Redis.from_url(settings.redis.url.get_secret_value(), socket_timeout=5)
        self._placement = placement or settings.lists.placements[0]
        self._key = load_key(settings.privacy.pseudonym_key_file)

    def subject(self, user_id: str) -> str:
        """Return the pseudonym under which the user's data stand."""
        return subject_of(user_id, self._key)

    def own(self, user_id: str) -> Answer | None:
        """Return the user's own list, or None.

        Raises:
            FreshetError: the store does not answer.
        """
        return self._get(TopN(self._placement, self.subject(user_id)).encode())

    def best(self, user_id: str) -> Answer | None:
        """Return the user's own list, else the hot list, else None.

        Raises:
            FreshetError: the store does not answer.
        """
        return self.own(user_id) or self._get(Hot(self._placement).encode())

    def _get(self, key: str) -> Answer | None:
        try:
            value = self._store.get(key)
        except redis.RedisError:
            raise FreshetError(
                "The online store does not answer; start one with `freshet up` or set FRESHET_REDIS__URL."
            ) from None
        return None if value is None else Answer(key, json.loads(value))
