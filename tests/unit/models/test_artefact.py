"""An artefact that ships is sound; one that is damaged or meant for other code is refused in a sentence."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freshet.errors import FreshetError
from freshet.models import features
from freshet.models.artefact import Artefact, default_folder, newest_version
from freshet.models.factors import Factors
from freshet.models.manifest import (
    COVISITS,
    FACTORS,
    FILES,
    GRAPHS,
    ITEMS,
    MANIFEST,
    MODEL,
    PRECISIONS,
    Manifest,
    Tensor,
    described,
)
from freshet.models.vocabulary import Vocabulary

EditManifest = Callable[[Callable[[dict[str, Any]], None]], None]


def test_the_artefact_that_ships_is_small_and_its_parts_agree() -> None:
    artefact = Artefact.load()
    assert sum(path.stat().st_size for path in artefact.folder.iterdir()) < 4_000_000
    assert artefact.covisits.neighbours.max() <= len(artefact.vocabulary)
    assert artefact.manifest.parity_max_abs_diff <= 1e-4


def test_the_model_that_ships_beats_every_baseline_in_every_setting() -> None:
    manifest = Manifest.read(default_folder())
    assert {one.ranking for one in manifest.baselines} == {"ncf", "popularity", "popularity of the day", "co-visits"}
    assert len(manifest.baselines) == 4 * len(manifest.metrics)
    for mine in manifest.metrics:
        setting = (mine.candidates, mine.moment)
        for theirs in manifest.baselines:
            if (theirs.candidates, theirs.moment) == setting:
                assert theirs.visits == mine.visits
                assert theirs.ndcg_at_20 < mine.ndcg_at_20
                assert theirs.hr_at_20 < mine.hr_at_20


@pytest.mark.parametrize("name", GRAPHS)
def test_no_path_of_the_machine_that_trained_it_is_in_the_graph(name: str) -> None:
    content = (default_folder() / name).read_bytes()
    assert b".py" not in content
    assert b"site-packages" not in content


def test_the_graphs_in_fewer_bits_that_ship_rank_as_the_full_one_does() -> None:
    manifest = Manifest.read(default_folder())
    assert manifest.precisions == PRECISIONS
    for one in manifest.variants:
        assert one.ndcg_loss <= 0.01
        assert one.overlap_at_20 >= 0.95
        assert one.bytes == (default_folder() / manifest.graph(one.precision)).stat().st_size


def keep_the_full_graph(value: dict[str, Any]) -> None:
    value["files"] = {name: file for name, file in value["files"].items() if name == MODEL or name not in GRAPHS}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_graph_that_is_not_there_is_told_with_those_that_are(
    precision: str, artefact_folder: Path, edit_manifest: EditManifest
) -> None:
    edit_manifest(keep_the_full_graph)
    manifest = Manifest.read(artefact_folder)
    assert manifest.precisions == ("fp32",)
    if precision == "fp32":
        assert manifest.graph(precision) == MODEL
        return
    with pytest.raises(FreshetError, match=f"has no graph in {precision}, only in fp32: set FRESHET_MODEL__PRECISION"):
        manifest.graph(precision)


@pytest.mark.parametrize("name", [*FILES, FACTORS])
def test_a_flipped_byte_is_refused(name: str, artefact_folder: Path) -> None:
    content = bytearray((artefact_folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (artefact_folder / name).write_bytes(content)
    with pytest.raises(FreshetError, match=f"{name} is not the file that was trained; copy the whole folder again"):
        Artefact.load(artefact_folder)


@pytest.mark.parametrize("name", [*FILES, FACTORS])
def test_a_missing_file_is_refused(name: str, artefact_folder: Path) -> None:
    (artefact_folder / name).unlink()
    with pytest.raises(FreshetError, match=f"has no readable {name}"):
        Artefact.load(artefact_folder)


def test_the_factors_that_ship_are_those_of_the_model_s_items() -> None:
    artefact = Artefact.load()
    factors = artefact.factors()
    assert len(factors.items) == len(artefact.vocabulary) + 1
    assert np.isfinite(factors.items).all()
    assert not factors.items[0].any()
    assert factors.items[1:].any(axis=1).mean() > 0.99


def test_a_model_that_was_trained_without_factors_works_without(
    artefact_folder: Path, edit_manifest: EditManifest
) -> None:
    edit_manifest(lambda value: value["files"].pop(FACTORS))
    assert not Artefact.load(artefact_folder).factors().items.any()


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda path: path.write_bytes(b"no npz"), r"als\.npz holds no factors"),
        (Factors.none(3).write, "disagree on its items"),
    ],
)
def test_factors_that_do_not_fit_are_refused(
    write: Callable[[Path], Any], told: str, artefact_folder: Path, edit_manifest: EditManifest
) -> None:
    write(artefact_folder / FACTORS)
    file = described(artefact_folder / FACTORS).model_dump()
    edit_manifest(lambda value: value["files"].update({FACTORS: file}))
    with pytest.raises(FreshetError, match=told):
        Artefact.load(artefact_folder).factors()


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FreshetError, match=r"There is no model at .*; point FRESHET_MODEL__PATH at"):
        Artefact.load(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_manifest_that_is_none_is_refused(text: str, artefact_folder: Path) -> None:
    (artefact_folder / MANIFEST).write_text(text)
    with pytest.raises(FreshetError, match="is not a manifest of this version"):
        Artefact.load(artefact_folder)


def test_a_manifest_that_lists_other_files_is_refused(artefact_folder: Path, edit_manifest: EditManifest) -> None:
    edit_manifest(lambda value: value["files"].pop(COVISITS))
    with pytest.raises(FreshetError, match="lists other files"):
        Artefact.load(artefact_folder)


def swap_columns(value: dict[str, Any]) -> None:
    columns = value["inputs"][2]["columns"]
    columns[0], columns[1] = columns[1], columns[0]


def add_a_column(value: dict[str, Any]) -> None:
    value["inputs"][3]["columns"].append("log1p(price)")
    value["inputs"][3]["shape"][2] += 1


def drop_an_input(value: dict[str, Any]) -> None:
    value["inputs"].pop()


def rename_a_source(value: dict[str, Any]) -> None:
    value["user_sources"][0]["feature"] = "user_events_count_10m"


@pytest.mark.parametrize("change", [swap_columns, add_a_column, drop_an_input, rename_a_source])
def test_a_model_of_other_inputs_is_refused(
    change: Callable[[dict[str, Any]], None], artefact_folder: Path, edit_manifest: EditManifest
) -> None:
    edit_manifest(change)
    with pytest.raises(FreshetError, match="was trained on other inputs than this version makes"):
        Artefact.load(artefact_folder)


@pytest.mark.parametrize(
    "change",
    [{"dtype": "int64"}, {"shape": ("B", features.USER_WIDTH + 1)}, {"shape": ("B", "C")}, {"name": "user"}],
)
def test_a_graph_of_other_inputs_than_the_manifests_is_refused(change: dict[str, Any]) -> None:
    manifest = Manifest.read(default_folder())
    graph = [tensor.model_copy(update={"columns": ()}) for tensor in manifest.inputs]
    manifest.check_graph(graph, manifest.output)
    graph[2] = graph[2].model_copy(update=change)
    with pytest.raises(FreshetError, match="has other inputs or outputs than its manifest"):
        manifest.check_graph(graph, manifest.output)


def test_a_graph_with_one_more_input_is_refused() -> None:
    manifest = Manifest.read(default_folder())
    graph = [tensor.model_copy(update={"columns": ()}) for tensor in manifest.inputs]
    with pytest.raises(FreshetError, match="other inputs or outputs"):
        manifest.check_graph([*graph, Tensor(name="context", dtype="float32", shape=("B", 3))], manifest.output)


def test_files_that_disagree_on_the_items_are_refused(artefact_folder: Path, edit_manifest: EditManifest) -> None:
    Vocabulary(("a",), (), np.zeros(2, np.int32)).write(artefact_folder / ITEMS)
    edit_manifest(lambda value: value["files"].update({ITEMS: described(artefact_folder / ITEMS).model_dump()}))
    with pytest.raises(FreshetError, match="disagree on its items"):
        Artefact.load(artefact_folder)


def test_the_newest_version_is_the_highest_number(tmp_path: Path) -> None:
    for name in ("2", "10", "9", "draft"):
        (tmp_path / name).mkdir()
    assert newest_version(tmp_path) == tmp_path / "10"
    assert newest_version(tmp_path / "nothing") is None


def test_candidates_come_from_the_table_and_the_order_of_the_vocabulary() -> None:
    artefact = Artefact.load()
    assert artefact.candidates(np.zeros(20, np.int64), 5).indices.tolist() == [1, 2, 3, 4, 5]
    best = artefact.covisits.neighbours[7, 0]
    assert artefact.candidates(np.array([7]), 5).indices[0] == best


def test_an_artefact_works_wherever_it_is_copied(artefact_folder: Path, tmp_path: Path) -> None:
    moved = shutil.move(artefact_folder, tmp_path / "elsewhere")
    assert Artefact.load(Path(moved)).covisits.size > 1
