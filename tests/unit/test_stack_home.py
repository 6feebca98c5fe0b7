"""The stack's folder is made whole, and its secret stays one."""

import stat
from pathlib import Path

import pytest

from freshet.errors import FreshetError
from freshet.stack.home import Home, shipped_conf


def test_the_pseudonym_key_is_64_hex_digits_for_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / ".freshet")
    home.create()
    assert len(bytes.fromhex(home.pseudonym_key.read_text())) == 32
    assert stat.S_IMODE(home.pseudonym_key.stat().st_mode) == 0o600


def test_the_pseudonym_key_is_made_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    first = home.pseudonym_key.read_text()
    home.create()
    assert home.pseudonym_key.read_text() == first


def test_two_stacks_have_two_keys(tmp_path: Path) -> None:
    homes = [Home(tmp_path / name) for name in ("one", "two")]
    for home in homes:
        home.create()
    assert homes[0].pseudonym_key.read_text() != homes[1].pseudonym_key.read_text()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FreshetError, match="set FRESHET_LOCAL__HOME to a folder that can"):
        Home(tmp_path / "file" / ".freshet").create()


def test_the_shipped_configuration_is_found() -> None:
    assert {"config.yaml", "jars.lock", "log4j-console.properties"} <= {path.name for path in shipped_conf().iterdir()}
