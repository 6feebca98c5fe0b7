"""The Java artefacts of the local stack: pinned, checked, and fetched from a Maven repository without Maven.

`flink-conf/jars.lock` names each file with its size and SHA-256. `python -m freshet.stack.jars --lock` writes it anew
from `ROOTS`. A file that the local Maven repository holds is never fetched, so a warm one works without a network.
`M2_REPO`, and the `[repositories]` of jgo's own configuration file, choose another local repository or a mirror.
"""

import argparse
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from freshet.errors import FreshetError
from freshet.stack.home import shipped_conf

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

CONNECTIONS = 4
TIMEOUT_S = 30

Progress = Callable[[int, int], None]
"""Called with the bytes at hand and the bytes in all."""


@dataclass(frozen=True)
class Root:
    """An artefact that we ask for, with or without what it depends on at run time."""

    group: str
    coordinate: str
    transitive: bool = False


ROOTS = (
    Root("kafka", "org.apache.kafka:kafka_2.13:jar:4.1.1", transitive=True),
    # The broker logs through slf4j and its own artefact names no implementation: without this one it is silent.
    Root("kafka", "org.apache.logging.log4j:log4j-slf4j-impl:jar:2.24.3"),
    Root("registry", "io.apicurio:apicurio-registry-app:tar.gz:all:3.3.3"),
    Root("flink", "org.apache.flink:flink-sql-connector-kafka:jar:5.0.0-2.2"),
    Root("flink", "org.apache.flink:flink-sql-avro-confluent-registry:jar:2.3.0"),
    # `freshet features backfill` makes a savepoint of another one.
    Root("flink", "org.apache.flink:flink-state-processor-api:jar:2.3.0"),
    # With high availability Flink keeps track of jobs in ZooKeeper, whose server is in the same jar.
    Root("flink", "org.apache.flink:flink-shaded-zookeeper-3:jar:3.8.4-20.0"),
    # The features job writes to Redis from the JVM, without a thread a call.
    Root("flink", "io.lettuce:lettuce-core:jar:6.8.1.RELEASE", transitive=True),
    Root("compiler", "org.eclipse.jdt:ecj:jar:3.43.0"),
)


@dataclass(frozen=True)
class Jar:
    """One line of the lock: a file, the part that it is for, and how to know it."""

    group: str
    coordinate: str
    size: int
    sha256: str

    @classmethod
    def parse(cls, line: str) -> "Jar":
        """Read a line of the lock file."""
        group, coordinate, size, sha256 = line.split()
        return cls(group, coordinate, int(size), sha256)

    def __str__(self) -> str:
        return f"{self.group} {self.coordinate} {self.size} {self.sha256}"


def lock_file() -> Path:
    """Return the path of the committed lock."""
    return shipped_conf() / "jars.lock"


def locked(group: str | None = None) -> list[Jar]:
    """Return the locked files, all or of one part."""
    lines = lock_file().read_text(encoding="utf-8").splitlines()
    jars = [Jar.parse(line) for line in lines if line and not line.startswith("#")]
    return [jar for jar in jars if group in (None, jar.group)]


def fetch(jars: Iterable[Jar], progress: Progress | None = None) -> list[Path]:
    """Return the paths of the files, in order, having fetched and checked what was missing.

    Raises:
        FreshetError: a file cannot be fetched, or is not the one that the lock names.
    """
    jars = list(jars)
    context = maven()
    tally = Tally(sum(jar.size for jar in jars), progress)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(pool.map(lambda jar: fetch_one(jar, context, tally), jars))


class Tally:
    """Adds up what has come in and tells whoever wants to know."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total = total
        self.done = 0
        self.progress = progress
        self._lock = Lock()

    def add(self, size: int) -> None:
        """Count some bytes in."""
        with self._lock:
            self.done += size
            if self.progress:
                self.progress(self.done, self.total)

    @contextmanager
    def file(self, size: int) -> Iterator[Callable[[int], None]]:
        """Count a file in: as it grows, if the caller tells, and what is left of it at the end."""
        left = size

        def grow(by: int) -> None:
            nonlocal left
            left -= by
            self.add(by)

        yield grow
        self.add(left)


def fetch_one(jar: Jar, context: "MavenContext", tally: Tally) -> Path:
    """Return the checked local path of one file."""
    target = artifact_of(jar.coordinate, context).cached_path
    assert target is not None  # maven() always has a local repository
    with tally.file(jar.size) as grow:
        if not target.exists():
            download(jar, context.repo_cache, target, grow)
        elif digest(target) != jar.sha256:
            raise FreshetError(
                f"{target} is not the file that jars.lock names (SHA-256 differs); delete it and try again."
            )
    return target


def download(jar: Jar, repository: Path, target: Path, grow: Callable[[int], None]) -> None:
    """Fetch one file into the local repository, and say in one sentence why that is not possible."""
    import requests

    try:
        place(jar, repository, target, grow)
    except requests.RequestException:
        raise FreshetError(
            f"{jar.coordinate} cannot be fetched; connect to a network, or copy a filled Maven repository to "
            f"{repository}."
        ) from None
    except RuntimeError:
        raise FreshetError(f"No Maven repository has {jar.coordinate}; check the mirror that jgo is set to.") from None
    except OSError as error:
        raise FreshetError(
            f"The Maven repository {repository} cannot be written ({error.strerror}); set M2_REPO to a folder that can."
        ) from None


def place(jar: Jar, repository: Path, target: Path, grow: Callable[[int], None]) -> None:
    """Fetch a file beside its place and move it there once it is whole and known.

    The resolver writes straight to its repository, so an interrupted download would stay there as half a file.
    """
    repository.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".freshet-", dir=repository) as folder:
        found = artifact_of(jar.coordinate, maven(Path(folder), grow)).resolve()
        if digest(found) != jar.sha256:
            raise FreshetError(
                f"{jar.coordinate} came with a SHA-256 that jars.lock does not name; "
                "check the Maven repository or mirror that it came from."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        found.replace(target)


def maven(repository: Path | None = None, grow: Callable[[int], None] | None = None) -> "MavenContext":
    """Return jgo's view of the local repository and the remote ones, with its pure-Python resolver."""
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext, PythonResolver

    settings = GlobalSettings.load()
    return MavenContext(
        resolver=PythonResolver(progress_callback=(lambda name, size: nullcontext(grow)) if grow else None),
        repo_cache=repository or settings.repo_cache,
        remote_repos={"central": MAVEN_CENTRAL_URL} | settings.repositories,
        timeout=TIMEOUT_S,
    )


def artifact_of(coordinate: str, context: "MavenContext") -> "Artifact":
    """Return the artefact of `group:name:packaging[:classifier]:version`.

    jgo's own parser guesses which field is which, and takes `tar.gz` for a version.
    """
    group, name, packaging, *classifier, version = coordinate.split(":")
    return context.project(group, name).at_version(version).artifact("".join(classifier), packaging)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    known = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            known.update(block)
    return known.hexdigest()


def write_lock(path: Path) -> list[Jar]:
    """Resolve `ROOTS` afresh, fetch every file, and write the lock."""
    context = maven()
    jars = [jar for root in ROOTS for jar in lock_root(root, context)]
    jars = sorted(set(jars) - brought_by_flink(jars), key=lambda jar: (jar.group, jar.coordinate))
    head = (
        "# The Java artefacts of the local stack: part, Maven coordinate, bytes, SHA-256.\n"
        "# Written by `python -m freshet.stack.jars --lock`; edit ROOTS there, not this file.\n"
    )
    path.write_text(head + "".join(f"{jar}\n" for jar in jars), encoding="utf-8")
    return jars


def brought_by_flink(jars: Iterable[Jar]) -> set[Jar]:
    """Return the jars for Flink's class path that its distribution has already, in a version of its own."""
    return {jar for jar in jars if jar.group == "flink" and jar.coordinate.startswith("org.slf4j:slf4j-api:")}


def lock_root(root: Root, context: "MavenContext") -> list[Jar]:
    """Return the lines of the lock that one root stands for."""
    from jgo.maven import Dependency

    found = [artifact_of(root.coordinate, context)]
    if root.transitive:
        _, others = context.resolver.resolve([Dependency(found[0])])
        found += [other.artifact for other in others if other.scope in ("compile", "runtime") and not other.optional]
    return [lock_artifact(root.group, artifact) for artifact in found]


def lock_artifact(group: str, artifact: "Artifact") -> Jar:
    """Fetch one artefact and describe it."""
    path = artifact.resolve()
    parts = [artifact.groupId, artifact.artifactId, artifact.packaging, artifact.classifier, artifact.version]
    return Jar(group, ":".join(part for part in parts if part), path.stat().st_size, digest(path))


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder that appears whole or not at all; an existing one is left alone."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder.parent))
    try:
        shutil.unpack_archive(archive, scratch, filter="data")
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def main() -> None:
    """Maintain the lock from a shell."""
    parser = argparse.ArgumentParser(
        prog="python -m freshet.stack.jars", description="Fetch or lock the Java artefacts."
    )
    parser.add_argument("--lock", action="store_true", help="resolve afresh and rewrite flink-conf/jars.lock")
    lock = parser.parse_args().lock
    count = len(write_lock(lock_file())) if lock else len(fetch(locked()))
    print(f"{count} artefacts {'locked' if lock else 'at hand'}.")


if __name__ == "__main__":
    main()
