"""What a user can do wrong: one sentence that says what to do, an exit code that is not 0, and no traceback."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from builders import FEATURE_REPO
from freshet.submit import Cluster
from local_stack import Freshet, free_port_base, without_freshet

if TYPE_CHECKING:
    from freshet.stack.stack import Stack

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has started nothing."""
    own = {"FRESHET_LOCAL__HOME": str(tmp_path / ".freshet"), "FRESHET_LOCAL__PORT_BASE": str(free_port_base())}
    return without_freshet(os.environ) | own


def complaint(environment: dict[str, str], *arguments: str) -> str:
    """Return what a command that must fail says, having checked how it says it."""
    done = Freshet(environment).run(*arguments, timeout=120)
    said = (done.stderr + done.stdout).strip()
    assert done.returncode not in (0, None), said
    assert "Traceback" not in said
    assert said
    return " ".join(said.split())


@pytest.mark.parametrize("arguments", [("submit", "feetures"), ("sumbit", "features"), ("up", "--slot", "3")])
def test_what_does_not_exist_is_told_with_what_does(alone: dict[str, str], arguments: tuple[str, ...]) -> None:
    said = complaint(alone, *arguments)
    assert arguments[0] in said or "--help" in said or "features" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit", "features"),
        ("schemas", "register"),
        ("topn", "1"),
        ("replay", "--limit", "1"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_without_a_stack_the_way_to_start_one_is_told(alone: dict[str, str], arguments: tuple[str, ...]) -> None:
    assert "freshet up" in complaint(alone, *arguments)


def test_reading_features_without_definitions_leads_to_them_and_then_to_a_stack(alone: dict[str, str]) -> None:
    """What there is to read follows from the definitions."""
    read = ("features", "get", "item", "1")
    assert "freshet features apply" in complaint(alone, *read)
    Freshet(alone)("features", "apply", "--repo", str(FEATURE_REPO))
    assert "freshet up" in complaint(alone, *read)


@pytest.mark.parametrize(
    ("name", "value", "arguments"),
    [
        ("FRESHET_FLINK__REST_URL", NOBODY, ("submit", "ingest")),
        ("FRESHET_FLINK__REST_URL", "not an address", ("submit", "ingest")),
        ("FRESHET_REGISTRY__URL", NOBODY, ("schemas", "check")),
        ("FRESHET_REGISTRY__URL", "not an address", ("schemas", "check")),
        ("FRESHET_REDIS__URL", "redis://127.0.0.1:1/0", ("topn", "1")),
        ("FRESHET_REDIS__URL", "not an address", ("topn", "1")),
        ("FRESHET_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1", ("replay", "--limit", "1")),
        ("FRESHET_LOCAL__PORT_BASE", "many", ("status",)),
    ],
)
def test_a_wrong_address_is_told(alone: dict[str, str], name: str, value: str, arguments: tuple[str, ...]) -> None:
    key = {"FRESHET_PRIVACY__PSEUDONYM_KEY": "the key of a test and no other"}
    said = complaint(alone | key | {name: value}, *arguments)
    assert value in said or name in said


@pytest.fixture
def without_scoring(stack: "Stack") -> None:
    """The stack, on which no scoring job runs, whatever other tests have left."""
    cluster = Cluster(stack.settings)
    if running := cluster.live("scoring"):
        httpx.patch(f"{cluster.url}/jobs/{running.id}?mode=cancel", timeout=10).raise_for_status()
    deadline = time.monotonic() + 60
    while cluster.live("scoring"):
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.usefixtures("without_scoring")
def test_a_missing_model_is_told(stack_environment: dict[str, str], tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no-model")
    assert nowhere in complaint(stack_environment | {"FRESHET_MODEL__PATH": nowhere}, "submit", "scoring")


@pytest.fixture
def taken(alone: dict[str, str]) -> Iterator[int]:
    """The first port of the stack, on which somebody else listens."""
    with socket.create_server(("127.0.0.1", int(alone["FRESHET_LOCAL__PORT_BASE"]))) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_told(alone: dict[str, str], taken: int) -> None:
    assert str(taken) in complaint(alone, "up")


def test_a_python_that_is_too_new_is_told(tmp_path: Path) -> None:
    """`make` looks for a Python that will do before it installs anything."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("Makefile", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, checkout)
    shutil.copytree(ROOT / "requirements", checkout / "requirements")
    newer = tmp_path / "python3.99"
    newer.write_text("#!/bin/sh\nexit 1\n")
    newer.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHON={newer}"], cwd=checkout, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in said
    assert "3.10" in said
