"""Where lists are shown and how each is made: candidate sources with their shares, length, and the rules of re-ranking.

It is a YAML file, `models/placements.yaml` or the one of FRESHET_LISTS__CONFIG: name of the placement -> its settings.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from freshet.errors import FreshetError
from freshet.models.merge import Share
from freshet.models.reranking.config import Rules

SHIPPED = Path(__file__).resolve().with_name("placements.yaml")


class Part(BaseModel):
    """A frozen part of the file; an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceShare(Part):
    """What a placement gives a candidate source: a share of the candidates, and what its scores count for."""

    share: float = Field(ge=0, le=1)
    weight: float = Field(1.0, ge=0)


class Placement(Part):
    """A place that shows a list.

    Attributes:
        length: items in the list.
        candidates: items that are scored for it.
        ttl_seconds: lifetime of a list after its last update.
        sources: by name, in the order in which they bring items in; a share of 0 switches one off.
        reranking: filters, boosts, diversity, windows and the like: `models/reranking/config.py`.
    """

    length: int = Field(20, ge=1, le=500)
    candidates: int = Field(200, ge=1, le=5_000)
    ttl_seconds: int = Field(7 * 86_400, ge=1)
    sources: Mapping[str, SourceShare]
    reranking: Rules = Rules()

    @field_validator("sources")
    @classmethod
    def _shares_fit(cls, sources: Mapping[str, SourceShare]) -> Mapping[str, SourceShare]:
        total = sum(one.share for one in sources.values())
        if not 0 < total <= 1 + 1e-9:
            raise ValueError(f"the shares of the sources add up to {total:g}; they must to at most 1, and more than 0")
        return sources

    @property
    def shares(self) -> list[Share]:
        """The quota of each source in places of the pool."""
        return [Share(name, round(one.share * self.candidates), one.weight) for name, one in self.sources.items()]


class Placements(Part):
    """All placements of a file, and the digest by which a list tells which configuration made it."""

    by_name: Mapping[str, Placement]
    version: str

    def only(self, names: Sequence[str], changes: Mapping[str, int]) -> "Placements":
        """Return those placements, with some of their numbers changed.

        Raises:
            FreshetError: the file has none of a name.
        """
        for name in names:
            if name not in self.by_name:
                raise FreshetError(f"There is no placement {name!r}; the configuration has {', '.join(self.by_name)}.")
        chosen = {name: self.by_name[name].model_copy(update=dict(changes)) for name in names}
        told = "".join(f" {name}={value}" for name, value in sorted(changes.items()))
        return Placements(by_name=chosen, version=self.version + told)


def load_placements(path: Path | None = None) -> Placements:
    """Read a file of placements; None reads the one that ships.

    Raises:
        FreshetError: there is no such file, or something in it cannot be; the error names the place.
    """
    file = path or SHIPPED
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise FreshetError(
            f"{file} cannot be read ({error.strerror}): point FRESHET_LISTS__CONFIG at a file."
        ) from None
    return parse_placements(text, file.name)


def parse_placements(text: str, name: str) -> Placements:
    """Read placements from YAML; `name` is what errors call it.

    Raises:
        FreshetError: something in it cannot be; the error names the place.
    """
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FreshetError(f"{name} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(value, dict) or not value:
        raise FreshetError(f"{name} holds no placements: give it at least one, `home:`.")
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    try:
        return Placements(by_name=value, version=digest)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise FreshetError(f"{name}: {where}: {first['msg'].removeprefix('Value error, ')}.") from None
