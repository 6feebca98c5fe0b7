"""A trained model on disk, and what the stream job needs of it beside the network."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models.candidates import Candidates, CovisitTable, candidates
from freshet.models.factors import Factors
from freshet.models.light import LightModel, Parameters, Traits
from freshet.models.manifest import COVISITS, FACTORS, ITEMS, LIGHT, Manifest
from freshet.models.vocabulary import Vocabulary

DEFAULT_NAME = "home-ranker"
"""The model that ships."""


@dataclass(frozen=True, eq=False)
class Artefact:
    """The vocabulary, the co-visit table and the manifest of one model version."""

    folder: Path
    manifest: Manifest
    vocabulary: Vocabulary
    covisits: CovisitTable

    @classmethod
    def load(cls, folder: Path | None = None, unchecked: Collection[str] = ()) -> "Artefact":
        """Read an artefact; None reads the one that ships.

        Args:
            folder: of the artefact.
            unchecked: files, not read here, that may be missing or damaged.

        Raises:
            FreshetError: there is none, or it is damaged, or it does not fit this version of the code.
        """
        folder = folder or default_folder()
        manifest = Manifest.read(folder, unchecked)
        try:
            vocabulary, covisits = Vocabulary.read(folder / ITEMS), CovisitTable.read(folder / COVISITS)
        except ValueError as error:
            raise FreshetError(f"The model at {folder} is not usable ({error}); train it again.") from None
        if not manifest.items == len(vocabulary) == covisits.size - 1:
            raise FreshetError(f"The files of the model at {folder} disagree on its items; train it again.")
        return cls(folder, manifest, vocabulary, covisits)

    @property
    def version(self) -> str:
        """The model's name and version, as lists carry it."""
        return f"{self.manifest.name}/{self.manifest.version}"

    def light(self) -> LightModel:
        """Return the light model.

        Raises:
            FreshetError: its file is not what training writes.
        """
        try:
            parameters = Parameters.read(self.folder / LIGHT)
        except (OSError, ValueError) as error:
            raise FreshetError(f"The light model at {self.folder} is not usable ({error}); train it again.") from None
        return LightModel(parameters, Traits.of(self.covisits, self.vocabulary.item_category), self.version)

    def factors(self) -> Factors:
        """Return the factors of the items; those of a model that was trained without any say nothing.

        Raises:
            FreshetError: their file is not what training writes.
        """
        if FACTORS not in self.manifest.files:
            return Factors.none(len(self.vocabulary))
        try:
            found = Factors.read(self.folder / FACTORS)
        except ValueError as error:
            raise FreshetError(f"The model at {self.folder} is not usable ({error}); train it again.") from None
        if len(found.items) != len(self.vocabulary) + 1:
            raise FreshetError(f"The files of the model at {self.folder} disagree on its items; train it again.")
        return found

    @cached_property
    def popular(self) -> NDArray[np.int64]:
        """All item indices, the most bought in training first: the fallback where nothing fresher is known."""
        return np.arange(1, len(self.vocabulary) + 1)

    def candidates(self, recent_items: NDArray[np.int64], k: int) -> Candidates:
        """Return up to k candidates from co-visits and the popular items of the training window."""
        return candidates(recent_items, self.covisits, self.popular, k)


def default_folder() -> Path:
    """Return the folder of the newest version of the model that ships.

    Raises:
        FreshetError: none does.
    """
    newest = newest_version(Path(str(files("freshet.models"))) / "artefacts" / DEFAULT_NAME)
    if newest is None:
        text = "No model ships with this installation"
        raise FreshetError(f"{text}; make one with `freshet train` and point FRESHET_MODEL__PATH at it.")
    return newest


def newest_version(folder: Path) -> Path | None:
    """Return the version folder with the highest number, None where there is no numbered one."""
    versions = [child for child in folder.glob("*") if child.is_dir() and child.name.isdigit()]
    return max(versions, key=lambda child: int(child.name), default=None)
