"""A definition whose SQL DuckDB cannot run, or would run to another end than Flink, is refused in one sentence."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from builders import EXAMPLES, REPOS, hours, views_of
from freshet.archive.dialect import duck, session
from freshet.archive.sql_checks import check_sql
from freshet.errors import FreshetError
from freshet.udfs.views import Aggregation, View

COUNT = Aggregation("f", "count", "event_id", "Int64", hours(1), hours(1))
ITEMS = Aggregation("f", "last_n", "shade", "Array(String)", n=3)
TASTE = Aggregation("f", "ewma_vector", "taste", "Array(Float64)", hours(1), n=2)


def a_view(feature: Aggregation, *, keys: tuple[str, ...] = ("subject",), **derived: str) -> View:
    return View("v", keys, (feature,), 0, tuple(derived.items()))


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.jsonl"
    path.write_text('{"item_id": "a", "vector": [1, 0.5]}\n{"item_id": "b", "vector": [2, 1]}\n')
    return path


@REPOS
def test_the_definitions_that_ship_pass(repo: Path) -> None:
    check_sql(views_of(repo), None)


@pytest.mark.parametrize(
    "view",
    [
        a_view(
            replace(COUNT, where="`hour` >= 18 AND geo <> 'moon'"),
            hour="MOD(event_time / 3600000, 24)",
            geo="context['geo']",
        ),
        a_view(COUNT, keys=("hour", "category"), hour="MOD(event_time / 3600000, 24)"),
        a_view(ITEMS, shade="CASE WHEN `value` < 10 THEN 'low' END"),
        a_view(ITEMS, shade="context['device']", day="'a column of the archive, not of events'"),
    ],
    ids=["filter", "key", "case", "day"],
)
def test_what_both_understand_passes(view: View) -> None:
    check_sql([view], None)


def test_the_columns_that_the_examples_show_pass(vectors: Path) -> None:
    rows = re.findall(r"^\| [^|]+ \| (`+)(.+?)\1 \|$", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
    columns = {f"column_{number}": text for number, (_, text) in enumerate(rows)}
    assert len(columns) == 7
    check_sql([View("v", ("subject",), (COUNT,), 0, tuple(columns.items()))], vectors)


def test_vectors_pass_when_there_is_a_file_of_them(vectors: Path) -> None:
    check_sql([a_view(TASTE, taste="ITEM_VECTOR(item_id)")], vectors)


REFUSED = {
    "its column hour is nothing that DuckDB, which makes training sets, can compute: "
    "Catalog Error: Scalar Function with name to_timestamp_ltz does not exist": a_view(
        COUNT, hour="HOUR(TO_TIMESTAMP_LTZ(event_time, 3))"
    ),
    "feature f: DuckDB, which makes training sets, cannot compute it: "
    'Binder Error: Referenced column "geo" not found in FROM clause': a_view(replace(COUNT, where="geo = 'north'")),
    "its key half is of DOUBLE, which Flink and DuckDB write in different ways; make it a text or a whole number": a_view(
        COUNT, keys=("half",), half="`value` / 2"
    ),
    "feature f: its column shade is of BOOLEAN, which Flink and DuckDB write in different ways; make it a text or a whole "
    "number": a_view(ITEMS, shade="`value` > 2"),
    "feature f: its column taste is of DECIMAL(2,1)[]; a vector is an ARRAY<DOUBLE>": a_view(
        TASTE, taste="ARRAY[1.5, 2.5]"
    ),
    "feature f: its vectors have 3 numbers; say so with the tag 'f.n'": a_view(TASTE, taste="ARRAY[1e0, 2e0, 3e0]"),
    "it asks for vectors of items; name their file by FRESHET_FEATURES__ITEM_VECTORS": a_view(
        TASTE, taste="ITEM_VECTOR(item_id)"
    ),
}


@pytest.mark.parametrize(("reason", "view"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_only_flink_understands_is_refused(reason: str, view: View) -> None:
    with pytest.raises(FreshetError) as refusal:
        check_sql([view], None)
    assert str(refusal.value) == f"View v: {reason}."


def test_a_length_that_the_vectors_do_not_have_is_refused(vectors: Path) -> None:
    with pytest.raises(FreshetError, match=r"its vectors have 2 numbers; say so with the tag 'f\.n'"):
        check_sql([a_view(replace(TASTE, n=16), taste="ITEM_VECTOR(item_id)")], vectors)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (None, "cannot be read"),
        ("", "must all have as many numbers"),
        ('{"item_id": "a", "vector": [1]}\n{"item_id": "b", "vector": [1, 2]}\n', "must all have as many numbers"),
        (
            '{"item_id": "a", "vector": [1, null]}\n{"item_id": "b", "vector": [1, 2]}\n',
            "must all have as many numbers",
        ),
        ('{"item_id": "a", "vector": [1, "x"]}\n', "cannot be read"),
    ],
    ids=["no file", "no line", "lengths", "a number missing", "a text"],
)
def test_a_file_of_vectors_that_cannot_be_used_is_refused(tmp_path: Path, lines: str | None, reason: str) -> None:
    path = tmp_path / "vectors.jsonl"
    if lines is not None:
        path.write_text(lines)
    with pytest.raises(FreshetError, match=reason):
        session(path)


def test_an_expression_that_names_the_tables_columns_looks_up_the_event_all_the_same(vectors: Path) -> None:
    """The argument is put into a query over the vectors, whose names must not be taken for the event's."""
    found = session(vectors).execute(
        "SELECT ITEM_VECTOR(item_id), ITEM_VECTOR(vector) FROM (VALUES ('a', 'b'), ('b', 'none')) AS e(item_id, vector)"
    )
    assert found.fetchall() == [([1.0, 0.5], [2.0, 1.0]), ([2.0, 1.0], None)]


def test_a_name_is_quoted_anew_and_a_text_is_not() -> None:
    assert duck("`value` || '`it''s`' || `context`['a']") == "\"value\" || '`it''s`' || \"context\"['a']"
