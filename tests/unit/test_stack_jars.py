"""The lock names each artefact exactly, and nothing else than what it names gets near the class path."""

import hashlib
import re
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from jgo.maven import MavenContext, PythonResolver

from freshet.errors import FreshetError
from freshet.stack import jars
from freshet.stack.jars import ROOTS, Jar, artifact_of, fetch, locked, unpack

WIDGET = "org.example:widget:jar:1.0"
CONTENT = b"a jar, let us say"


def a_jar(content: bytes = CONTENT, coordinate: str = WIDGET) -> Jar:
    return Jar("kafka", coordinate, len(content), hashlib.sha256(content).hexdigest())


def put(repository: Path, content: bytes, coordinate: str = WIDGET) -> Path:
    path = artifact_of(coordinate, MavenContext(repo_cache=repository)).cached_path
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A Maven repository on loopback: its folder and its address."""
    folder = tmp_path / "remote"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gave it
        pass


@pytest.fixture
def local(tmp_path: Path, remote: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The local repository of a machine that knows only the remote one above."""
    cache = tmp_path / "local"

    def maven(repository: Path | None = None, grow: object = None) -> MavenContext:
        repositories = {"test": remote[1]}
        return MavenContext(resolver=PythonResolver(), repo_cache=repository or cache, remote_repos=repositories)

    monkeypatch.setattr(jars, "maven", maven)
    return cache


def test_the_lock_names_every_root_once() -> None:
    coordinates = [jar.coordinate for jar in locked()]
    assert {root.coordinate for root in ROOTS} <= set(coordinates)
    assert len(coordinates) == len(set(coordinates))


def test_the_lock_names_files_and_no_hosts() -> None:
    for jar in locked():
        assert re.fullmatch(r"[\w.-]+:[\w.-]+:(jar|tar\.gz)(:\w+)?:[\w.-]+", jar.coordinate)
        assert re.fullmatch(r"[0-9a-f]{64}", jar.sha256)
        assert jar.size > 0
    assert "://" not in jars.lock_file().read_text()


def test_the_broker_has_a_whole_class_path_and_a_log() -> None:
    names = {jar.coordinate.split(":")[1] for jar in locked("kafka")}
    assert {"kafka_2.13", "kafka-clients", "scala-library", "log4j-core", "log4j-slf4j-impl"} <= names


def test_a_line_of_the_lock_reads_back_as_it_was_written() -> None:
    assert Jar.parse(str(a_jar())) == a_jar()


def test_a_packaging_with_a_dot_and_a_classifier_are_understood() -> None:
    artifact = artifact_of("io.example:app:tar.gz:all:3.3.3", MavenContext())
    assert artifact.filename == "app-3.3.3-all.tar.gz"


def test_a_file_at_hand_is_not_fetched(local: Path, remote: tuple[Path, str]) -> None:
    put(local, CONTENT)
    put(remote[0], b"something newer")
    (path,) = fetch([a_jar()])
    assert path.read_bytes() == CONTENT


def test_a_missing_file_is_fetched_into_the_local_repository(local: Path, remote: tuple[Path, str]) -> None:
    put(remote[0], CONTENT)
    (path,) = fetch([a_jar()])
    assert path.is_relative_to(local)
    assert path.read_bytes() == CONTENT


def test_progress_ends_with_everything_at_hand(local: Path, remote: tuple[Path, str]) -> None:
    put(local, CONTENT)
    put(remote[0], b"more", "org.example:other:jar:1.0")
    seen: list[tuple[int, int]] = []
    fetch([a_jar(), a_jar(b"more", "org.example:other:jar:1.0")], lambda done, total: seen.append((done, total)))
    whole = len(CONTENT) + len(b"more")
    assert seen[-1] == (whole, whole)


def test_a_changed_file_at_hand_is_one_clear_error(local: Path) -> None:
    path = put(local, b"tampered")
    with pytest.raises(FreshetError, match=r"is not the file that jars\.lock names") as caught:
        fetch([a_jar()])
    assert str(path) in str(caught.value)


def test_a_wrong_file_from_a_mirror_never_enters_the_local_repository(local: Path, remote: tuple[Path, str]) -> None:
    put(remote[0], b"tampered")
    with pytest.raises(FreshetError, match=f"{WIDGET} came with a SHA-256 that jars.lock does not name"):
        fetch([a_jar()])
    assert not [path for path in local.rglob("*") if path.is_file()]


def test_a_file_that_nobody_has_is_named(local: Path) -> None:
    with pytest.raises(FreshetError, match=f"No Maven repository has {WIDGET}"):
        fetch([a_jar()])


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = {"test": "http://127.0.0.1:1"}
    monkeypatch.setattr(
        jars,
        "maven",
        lambda repository=None, grow=None: MavenContext(repo_cache=repository or tmp_path, remote_repos=nowhere),
    )
    with pytest.raises(FreshetError, match="cannot be fetched; connect to a network"):
        fetch([a_jar()])


def an_archive(folder: Path, name: str) -> Path:
    content = folder / name
    content.write_text("inside")
    archive = folder / "app.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(content, name)
    return archive


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    target = tmp_path / "dist" / "app"
    unpack(an_archive(tmp_path, "run.jar"), target)
    (target / "run.jar").write_text("used since")
    unpack(an_archive(tmp_path, "run.jar"), target)
    assert (target / "run.jar").read_text() == "used since"


def test_a_broken_archive_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "app.tar.gz"
    broken.write_bytes(b"not an archive")
    with pytest.raises(Exception, match=r"app\.tar\.gz"):
        unpack(broken, tmp_path / "dist" / "app")
    assert not list((tmp_path / "dist").iterdir())
