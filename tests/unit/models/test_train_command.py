from pathlib import Path

import pytest

from freshet.cli import build_app
from freshet.commands import train
from freshet.errors import FreshetError


def run(*options: str) -> None:
    build_app("train")(["train", *options], standalone_mode=False)


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(train, "find_spec", lambda name: None)
    with pytest.raises(FreshetError, match=r'needs torch, onnx, onnxscript: run pip install "freshet\[train\]"'):
        run("--out", str(tmp_path))


def test_days_that_are_not_in_order_are_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(train, "need_torch", lambda: None)
    with pytest.raises(FreshetError, match="is not in order"):
        run("--out", str(tmp_path), "--test", "2017-10-01")


def test_versions_count_up_from_the_newest(tmp_path: Path) -> None:
    assert train.version_folder(tmp_path, None).name == "1"
    (tmp_path / "home-ranker" / "9").mkdir(parents=True)
    assert train.version_folder(tmp_path, None).name == "10"
    assert train.version_folder(tmp_path, 3).name == "3"


def test_a_version_that_is_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home-ranker" / "4").mkdir(parents=True)
    with pytest.raises(FreshetError, match="is there already: remove it, or give another --version"):
        train.version_folder(tmp_path, 4)
