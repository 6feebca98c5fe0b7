"""Today's schemas read what the released ones wrote.

`baseline/` holds the schemas of the last release. Replace a file there only in the change that releases its successor.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from freshet.schemas.avro import schema_text

BASELINE = sorted((Path(__file__).parent / "baseline").glob("*.avsc"))


def can_read(reader: str, writer: str) -> bool:
    """Ask Avro's own checker, not the registry's."""
    result = ReaderWriterCompatibilityChecker().get_compatibility(parse(reader), parse(writer))  # type: ignore[no-untyped-call]
    return bool(result.compatibility is SchemaCompatibilityType.compatible)


@pytest.mark.parametrize("released", BASELINE, ids=lambda path: path.stem)
def test_a_record_of_the_last_release_can_still_be_read(released: Path) -> None:
    assert can_read(reader=schema_text(released.stem), writer=released.read_text("utf-8"))


def test_the_baseline_is_not_empty() -> None:
    assert {path.stem for path in BASELINE} >= {"interactions", "interactions.clean", "catalog"}


def changed(**field: Any) -> str:
    text = json.loads(schema_text("interactions"))
    text["fields"].append(field)
    return json.dumps(text)


def test_the_check_sees_a_new_field_without_a_default() -> None:
    assert not can_read(reader=changed(name="campaign", type="string"), writer=schema_text("interactions"))
    assert can_read(reader=changed(name="campaign", type="string", default=""), writer=schema_text("interactions"))
