"""The vectors that leave a model are those that it scores with, in the form that the features read."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from freshet.archive.dialect import session
from freshet.commands import model
from freshet.errors import FreshetError
from freshet.models.artefact import Artefact
from freshet.models.manifest import MODEL
from freshet.models.vectors import item_table, item_vectors, write_vectors


@pytest.mark.parametrize("name", ["vectors.jsonl", "new/vectors.jsonl.gz"])
def test_every_item_of_the_model_has_its_row_of_the_table(tmp_path: Path, name: str) -> None:
    artefact, path = Artefact.load(), tmp_path / name
    items, width = write_vectors(artefact, path)
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    written = [json.loads(line) for line in text.splitlines()]
    table = item_table((artefact.folder / MODEL).read_bytes())
    assert table is not None
    assert (items, width) == (len(artefact.vocabulary), table.shape[1])
    assert [line["item_id"] for line in written] == list(artefact.vocabulary.items)
    assert np.array_equal(np.array([line["vector"] for line in written], np.float32), table[1:])


def test_training_sets_look_up_what_was_written(tmp_path: Path) -> None:
    artefact, path = Artefact.load(), tmp_path / "vectors.jsonl"
    write_vectors(artefact, path)
    item, vector = next(item_vectors(artefact))
    [(found, nothing)] = session(path).execute("SELECT ITEM_VECTOR(?), ITEM_VECTOR('no item')", [item]).fetchall()
    assert found == pytest.approx(list(map(float, vector)), rel=1e-6)
    assert nothing is None


def test_a_graph_without_a_table_has_no_vectors() -> None:
    assert item_table(b"") is None


def test_a_damaged_model_is_refused(artefact_folder: Path) -> None:
    artefact = Artefact.load(artefact_folder)
    (artefact_folder / MODEL).write_bytes(b"")
    with pytest.raises(FreshetError, match="is not the file that was trained"):
        next(item_vectors(artefact))


def test_the_command_says_what_it_wrote_and_what_to_set(tmp_path: Path) -> None:
    path = tmp_path / "vectors.jsonl"
    done = CliRunner().invoke(model.app, ["vectors", "--out", str(path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{len(Artefact.load().vocabulary):,} vectors of ")
    assert f"FRESHET_FEATURES__ITEM_VECTORS={path}" in done.stdout.replace("\n", "")
