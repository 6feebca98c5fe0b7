"""MovieLens-100K as a stream of clicks: it comes in the wheel of RecBole, which the environment of this benchmark holds."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freshet.models.prequential import Log

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MovieLens:
    """The ratings, whose users and items are named by their codes, and what each film is.

    Attributes:
        log: the events, by time; each says as much as another, whatever its stars.
        genres: bool [V, G].
    """

    log: Log
    genres: NDArray[np.bool_]

    @property
    def vocabulary(self) -> int:
        """How many films there are."""
        return len(self.log.item_names)

    @property
    def crowd(self) -> int:
        """How many users there are."""
        return len(self.log.user_names)

    @property
    def counts(self) -> Ints:
        """How many events each film has: int64 [V]."""
        return np.bincount(self.log.items, minlength=self.vocabulary)

    def first(self, n: int) -> "MovieLens":
        """Return the first n events."""
        return MovieLens(self.log.reordered(np.arange(n)), self.genres)


def folder() -> Path:
    """Return where RecBole keeps its example; the package itself is not imported, since it needs PyTorch."""
    spec = find_spec("recbole")
    assert spec
    assert spec.submodule_search_locations, "requirements/quality.txt holds recbole"
    return Path(spec.submodule_search_locations[0]) / "dataset_example" / "ml-100k"


def load() -> MovieLens:
    """Read the 100,000 ratings by time."""
    ratings = pd.read_csv(folder() / "ml-100k.inter", sep="\t", names=["user", "item", "stars", "second"], skiprows=1)
    ratings = ratings.sort_values("second", kind="stable")
    users, people = pd.factorize(ratings["user"])
    items, ids = pd.factorize(ratings["item"])
    films = pd.read_csv(folder() / "ml-100k.item", sep="\t", names=["item", "title", "year", "class"], skiprows=1)
    genres = films.set_index("item")["class"].reindex(ids).fillna("").str.get_dummies(sep=" ")
    times = ratings["second"].to_numpy(np.int64) * 1_000
    names = [str(code) for code in range(max(len(people), len(ids)))]
    log = Log(
        users.astype(np.int64),
        items.astype(np.int64),
        times,
        np.ones(len(times)),
        names[: len(people)],
        names[: len(ids)],
    )
    return MovieLens(log, genres.to_numpy(np.bool_))
