"""The gallery says of each feature what its definition says.

`python tests/unit/test_gallery.py --update` writes the tables anew.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freshet.definitions import load_definitions
from freshet.udfs.behaviour import behaviour
from freshet.udfs.functions import FUNCTIONS
from freshet.udfs.views import Aggregation, view_from_feast

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES, FEATURE_REPO = ROOT / "examples", ROOT / "feature_repo"
PAGES = {EXAMPLES / "shop.md": FEATURE_REPO, EXAMPLES / "music" / "README.md": EXAMPLES / "music"}
TABLES = re.compile(r"(<!-- features -->\n).*?(<!-- /features -->)", re.DOTALL)
each = pytest.mark.parametrize(("page", "repo"), PAGES.items(), ids=lambda path: path.name)


def tables(repo: Path) -> str:
    """Return a table for each view of a folder, in Markdown."""
    declared = load_definitions(repo / "definitions.py").values()
    return "\n".join(line for one in declared if type(one).__name__ == "StreamFeatureView" for line in table(one))


def table(declared: Any) -> Iterator[str]:
    """Yield the lines of one view."""
    view, about = view_from_feast(declared), {field.name: field.description for field in declared.schema}
    yield f"**{view.name}**, by {' and '.join(declared.entities)}. {declared.description}\n"
    if view.derived:
        columns = ", ".join(f"`{name}` is `{text}`" for name, text in view.derived)
        yield f"Derived from the event: {columns}.\n"
    yield "| feature | what it is | how |"
    yield "|---|---|---|"
    for feature in view.features:
        yield f"| `{feature.name}` | {about[feature.name]} | {how(feature)} |"
    yield ""


def how(feature: Aggregation) -> str:
    """Return how a feature is computed, in a line."""
    n = f", at most {feature.n}" if feature.n else ""
    time = behaviour(feature)["gives"].removeprefix(FUNCTIONS[feature.function].about)
    where = f", where `{feature.where}`" if feature.where else ""
    hit = f", a hit where `{feature.hit}`" if feature.hit else ""
    return f"`{feature.function}` of `{feature.column}`{n}{time}{where}{hit}"


def with_tables(text: str, repo: Path) -> str:
    """Return a page with its tables as they should be."""
    return TABLES.sub(lambda match: match[1] + tables(repo) + match[2], text)


@each
def test_a_page_explains_every_feature_of_its_definitions(page: Path, repo: Path) -> None:
    text = page.read_text("utf-8")
    assert TABLES.search(text)
    assert text == with_tables(text, repo), "run `python tests/unit/test_gallery.py --update`"


@each
def test_every_feature_says_what_it_is(page: Path, repo: Path) -> None:
    for declared in load_definitions(repo / "definitions.py").values():
        if type(declared).__name__ == "StreamFeatureView":
            about = {field.name: field.description for field in declared.schema}
            assert [one.name for one in declared.aggregations if not about[one.name]] == []


def test_the_index_names_every_page_and_every_example() -> None:
    text = (EXAMPLES / "README.md").read_text("utf-8")
    links = {str(page.relative_to(EXAMPLES)) for page in PAGES}
    assert links <= set(re.findall(r"\]\(([^)#]+)\)", text))
    assert {path.parent for path in EXAMPLES.rglob("definitions.py")} <= set(PAGES.values())


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("Give --update to write the tables of the gallery anew.")
    for path, folder in PAGES.items():
        path.write_text(with_tables(path.read_text("utf-8"), folder), "utf-8")
