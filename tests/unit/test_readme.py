"""The documents say what is so: their commands, their make targets, their paths, and the table of settings.

`python tests/unit/test_readme.py --update` writes the table anew.
"""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.core import TyperGroup
from typer.main import get_command

from freshet.cli import build_app
from freshet.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
FOLDERS = ("docs", "examples")
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
DOCUMENTS += [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
TABLE = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)


def code_of(text: str) -> list[str]:
    """Return what stands in code spans and blocks, pictures left out."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return [*spans, *(body for kind, body in blocks if kind != "mermaid")]


def settings_table() -> str:
    """Return the table of all settings, in Markdown."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for section, model in Settings.model_fields.items():
        for name, field in model.annotation.model_fields.items():  # type: ignore[union-attr]
            rows.append(
                f"| `FRESHET_{section.upper()}__{name.upper()}` | {shown(field.default)} | {field.description} |"
            )
    return "\n".join(rows) + "\n"


def shown(default: Any) -> str:
    """Return a default as the table shows it; nothing where the default is nothing."""
    plain = default.get_secret_value() if isinstance(default, SecretStr) else default
    return "" if plain in (None, "", ()) else f"`{plain}`"


def with_settings(text: str) -> str:
    """Return the README with the table as it should be."""
    return TABLE.sub(lambda match: match[1] + settings_table() + match[2], text)


def test_the_readme_lists_every_setting() -> None:
    text = README.read_text("utf-8")
    assert TABLE.search(text)
    assert text == with_settings(text), "run `python tests/unit/test_readme.py --update`"


def commands_in(text: str) -> set[tuple[str, ...]]:
    """Return the words after `freshet` wherever a command is shown."""
    found = re.findall(r"(?<![\w.])freshet ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", "\n".join(code_of(text)))
    return {tuple(word for word in words if word) for words in found}


def is_command(words: tuple[str, ...]) -> bool:
    """Tell whether the command line has such a command; words behind it are its arguments."""
    command: Any = get_command(build_app())
    for word in words:
        if not isinstance(command, TyperGroup):
            return True
        command = command.commands.get(word)
    return command is not None


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_command_that_is_shown_exists(path: Path) -> None:
    shown_commands = commands_in(path.read_text("utf-8"))
    assert {words for words in shown_commands if not is_command(words)} == set()


def test_a_command_that_does_not_exist_is_seen() -> None:
    assert commands_in("Run `freshet fly` or `freshet features burn`.") == {("fly",), ("features", "burn")}
    assert not is_command(("fly",))
    assert not is_command(("features", "burn"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_make_target_that_is_shown_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    code = "\n".join(code_of(path.read_text("utf-8")))
    assert set(re.findall(r"(?:^|[\s;&])make ([a-z][a-z-]*)", code, re.MULTILINE)) - targets == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_file_that_is_named_exists(path: Path) -> None:
    roots = "benchmarks|docs|examples|feature_repo|flink-conf|freshet|jobs|models|requirements|schemas|tests|udfs"
    named = re.findall(rf"`((?:{roots})/[\w./-]+)`", path.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("Give --update to write the README's table of settings anew.")
    README.write_text(with_settings(README.read_text("utf-8")), "utf-8")
