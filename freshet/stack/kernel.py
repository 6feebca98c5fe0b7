"""The aggregates that run inside Flink SQL: compiled from `udfs/java/` to one jar, with no JDK on the machine.

The compiler is Eclipse's, one jar that runs on any JRE. The jar's name carries a digest of the sources and of the Flink
that they were compiled against, so a change of either makes a new one and an old one is never taken for it.
"""

import hashlib
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from freshet.errors import FreshetError
from freshet.stack import jars
from freshet.stack.java import Java

JAVA_RELEASE = "17"  # what Flink 2.3 recommends; newer runtimes read it too
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip file can hold, so that equal sources give equal bytes


def kernel_jar(folder: Path, flink_jars: list[Path], java: Java) -> Path:
    """Return the jar of the aggregates in `folder`, compiled if it is not there yet.

    Raises:
        FreshetError: the compiler cannot be fetched, or finds a mistake.
    """
    sources = java_sources()
    target = folder / f"freshet-udfs-{fingerprint(sources, flink_jars)}.jar"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".javac-", dir=folder) as scratch:
            classes = Path(scratch) / "classes"
            compile_java(sources, classes, flink_jars, java)
            pack(classes, Path(scratch) / target.name).replace(target)
    return target


def java_sources() -> list[Path]:
    """Return the Java files that ship with Freshet."""
    package = Path(__file__).resolve().parents[1]
    folder = next(path for path in (package / "udfs" / "java", package.parent / "udfs" / "java") if path.is_dir())
    return sorted(folder.rglob("*.java"))


def fingerprint(sources: list[Path], flink_jars: list[Path]) -> str:
    """Return twelve hex digits that change with the sources, the names of Flink's jars, and the Java release."""
    known = hashlib.sha256(JAVA_RELEASE.encode())
    for source in sources:
        known.update(source.name.encode() + b"\0" + source.read_bytes())
    for name in sorted(jar.name for jar in flink_jars):
        known.update(name.encode() + b"\0")
    return known.hexdigest()[:12]


def compile_java(sources: list[Path], classes: Path, flink_jars: list[Path], java: Java) -> None:
    """Compile the sources against Flink's jars."""
    (compiler,) = jars.fetch(jars.locked("compiler"))
    class_path = ":".join(str(jar) for jar in flink_jars)
    options = [f"-{JAVA_RELEASE}", "-classpath", class_path, "-d", str(classes), "-warn:none", "-encoding", "UTF-8"]
    command = [java.executable, "-jar", str(compiler), *options, *(str(source) for source in sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(classes, ignore_errors=True)
        raise FreshetError(f"The Java aggregates do not compile:\n{(done.stderr or done.stdout).strip()}")


def pack(classes: Path, target: Path) -> Path:
    """Put compiled classes into a jar whose bytes depend on them alone."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(classes.rglob("*.class")):
            archive.writestr(zipfile.ZipInfo(str(path.relative_to(classes)), EPOCH), path.read_bytes())
    return target
