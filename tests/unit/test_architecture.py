"""What holds for the tree as a whole; which module may import which is import-linter's part of `make lint`."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
LAYER_FOLDERS = ("schemas", "udfs", "models", "jobs")
PRODUCT = ("feature_repo", "freshet", *LAYER_FOLDERS)
LOCKS = {"dev": ("cpu", "dev"), "runtime": ("cpu",), "gpu": ("gpu",), "train": ("cpu", "train")}


def assigned_in_setup(name: str) -> tuple[str, ...]:
    """Return a tuple of names that setup.py assigns."""
    for statement in ast.parse((ROOT / "setup.py").read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return tuple(ast.literal_eval(statement.value))
    raise LookupError(name)


def packages_below(*folders: str) -> set[str]:
    """Return the dotted names of the folders that hold an `__init__.py`."""
    found = (path.parent for folder in folders for path in (ROOT / folder).rglob("__init__.py"))
    return {".".join(folder.relative_to(ROOT).parts) for folder in found}


def tracked_files() -> list[Path]:
    """Return the files that are, or would be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("this is no git checkout")
    return [path for name in done.stdout.split("\0") if (path := ROOT / name).is_file()]


def lines_with(pattern: str, paths: list[Path]) -> Iterator[str]:
    """Yield where a pattern stands in some files."""
    for path in paths:
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
            if re.search(pattern, line):
                yield f"{path.relative_to(ROOT)}:{number}"


def test_setup_names_every_package_of_the_home_folder() -> None:
    assert set(assigned_in_setup("HOME")) == packages_below("freshet")


def test_setup_names_every_package_of_the_layers() -> None:
    assert set(assigned_in_setup("LAYERS")) == packages_below(*LAYER_FOLDERS)


def test_every_package_ships_its_types() -> None:
    untyped = [name for name in packages_below("freshet", *LAYER_FOLDERS) if not typed(name)]
    assert untyped == []


def typed(package: str) -> bool:
    """Tell whether a package, or one around it that is typed as a whole, holds `py.typed`."""
    return (ROOT.joinpath(*package.split(".")) / "py.typed").exists()


def shipped_data() -> dict[str, list[str]]:
    """Return setup.py's patterns of data files, by folder of the checkout."""
    tree = ast.parse((ROOT / "setup.py").read_text("utf-8"))
    (call,) = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "setup")
    (data,) = (keyword.value for keyword in call.keywords if keyword.arg == "package_data")
    patterns: dict[str, list[str]] = ast.literal_eval(data)
    everywhere = patterns.pop("")
    return {package.partition(".")[2].replace(".", "/"): [*own, *everywhere] for package, own in patterns.items()}


@pytest.mark.parametrize("folder", LAYER_FOLDERS)
def test_setup_ships_every_file_of_a_layer(folder: str) -> None:
    patterns = [f"{folder}/{pattern}" for pattern in shipped_data().get(folder, [])]
    patterns += [f"{folder}/*.py", f"{folder}/*py.typed"]
    files = [str(path.relative_to(ROOT)) for path in tracked_files() if path.is_relative_to(ROOT / folder)]
    assert [name for name in files if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    parts = ("pypi|org", "pythonhosted|org", "maven|org", "maven|apache|org", "npmjs|org", "crates|io", "docker|io")
    hosts = "|".join(part.replace("|", r"\.") for part in parts)
    assert list(lines_with(rf"\b({hosts})\b", tracked_files())) == []


def test_no_flink_state_or_record_is_pickled() -> None:
    product = [path for path in tracked_files() if path.relative_to(ROOT).parts[0] in PRODUCT]
    sources = [path for path in product if path.suffix in (".py", ".java")]
    assert sources
    assert list(lines_with(r"PICKLED_BYTE_ARRAY|PickledBytes|pickle\.(load|dump)", sources)) == []


def declared(extras: tuple[str, ...]) -> list[Requirement]:
    """Return what pyproject.toml asks for with some extras."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    return [Requirement(text) for text in wanted]


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions that a lock allows, by package: more than one where they differ by Python or platform."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", line):
            found.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_gives_what_pyproject_asks_for(lock: str) -> None:
    locked = pins(lock)
    missing = [
        str(wanted)
        for wanted in declared(LOCKS[lock])
        if not (versions := locked.get(canonicalize_name(wanted.name)))
        or not all(wanted.specifier.contains(version) for version in versions)
    ]
    assert missing == [], "run `make lock`"


@pytest.mark.parametrize("lock", [name for name in LOCKS if name != "dev"])
def test_a_lock_gives_the_versions_that_are_tested(lock: str) -> None:
    tested, locked = pins("dev"), pins(lock)
    assert {name for name in locked.keys() & tested.keys() if not locked[name] <= tested[name]} == set()


@pytest.mark.parametrize("lock", ["bootstrap", *LOCKS])
def test_everything_that_is_locked_has_a_hash(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
