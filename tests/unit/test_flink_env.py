"""What `freshet flink-env` makes of a shell."""

import subprocess
from pathlib import Path

import pytest

from freshet.commands.flink_env import flink_env, lines
from freshet.settings import load_settings

CLIENT = ["bash", "/opt/flink/bin/flink"]


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("FRESHET_LOCAL__HOME", str(tmp_path / ".freshet"))
    monkeypatch.setenv("FRESHET_PRIVACY__PSEUDONYM_KEY", "a-secret-of-the-shell")
    monkeypatch.setenv("FLINK_HOME", "/another/flink")
    monkeypatch.delenv("JAVA_HOME", raising=False)  # what the shell has already is not printed
    load_settings.cache_clear()
    try:
        flink_env()
    finally:
        load_settings.cache_clear()
    return capsys.readouterr().out


def test_a_shell_that_evaluates_it_has_flinks_variables(printed: str, tmp_path: Path) -> None:
    script = f'{printed}\necho "$FLINK_CONF_DIR|${{FLINK_HOME:-none}}"; "$JAVA_HOME/bin/java" -version 2>&1'
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    said, version = done.stdout.split("\n", 1)
    assert said == f"{tmp_path}/.freshet/flink/conf|none"
    assert 'version "' in version


def test_it_prints_no_secret_of_the_shell(printed: str) -> None:
    assert "PSEUDONYM_KEY" not in printed


def test_nothing_but_what_flink_reads_is_exported(printed: str) -> None:
    names = {line.split("=")[0].removeprefix("export ") for line in printed.splitlines() if line.startswith("export ")}
    assert {"FLINK_CONF_DIR", "FLINK_LIB_DIR", "JAVA_HOME", "PATH"} <= names
    assert all(name.startswith(("FLINK_", "FRESHET_")) or name in {"JAVA_HOME", "PATH", "HOSTNAME"} for name in names)


def test_a_value_keeps_its_spaces_and_quotes() -> None:
    value = "/a b/it's $HOME"
    script = "\n".join([*lines({}, {"FLINK_LOG_DIR": value}, CLIENT), 'printf %s "$FLINK_LOG_DIR"'])
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout == value


def test_a_shell_that_has_everything_is_told_only_where_the_client_is() -> None:
    environment = {"FLINK_CONF_DIR": "/conf", "PATH": "/bin"}
    assert list(lines(environment, environment, CLIENT)) == ['flink() { bash /opt/flink/bin/flink "$@"; }']
