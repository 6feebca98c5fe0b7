"""A producer with a wrong schema id costs the registry one question in half a minute, not one an event."""

import pytest

from freshet.schemas.registry import RegistryUnreachable, SchemaNotFound
from freshet.udfs import writer_schemas
from freshet.udfs.writer_schemas import FORGET_AFTER_S, WriterSchemas


class FakeRegistry:
    """Knows the ids it was given, and counts what it is asked."""

    def __init__(self, **texts: str) -> None:
        self.texts = {int(name.removeprefix("id_")): text for name, text in texts.items()}
        self.asked: list[int] = []
        self.is_down = False

    def schema(self, schema_id: int) -> str:
        self.asked.append(schema_id)
        if self.is_down:
            raise RegistryUnreachable("no answer")
        if schema_id not in self.texts:
            raise SchemaNotFound(f"no schema {schema_id}")
        return self.texts[schema_id]


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_schema_that_is_there_is_given() -> None:
    assert WriterSchemas(FakeRegistry(id_7="{}").schema)(7) == "{}"


def test_a_missing_id_is_asked_for_once_in_half_a_minute(clock: Clock) -> None:
    registry = FakeRegistry()
    schemas = WriterSchemas(registry.schema, clock)
    for _ in range(3):
        with pytest.raises(SchemaNotFound, match="no schema 7"):
            schemas(7)
    clock.now += FORGET_AFTER_S - 0.1
    with pytest.raises(SchemaNotFound):
        schemas(7)
    assert registry.asked == [7]
    clock.now += 0.1
    with pytest.raises(SchemaNotFound):
        schemas(7)
    assert registry.asked == [7, 7]


def test_a_schema_that_is_registered_meanwhile_is_found(clock: Clock) -> None:
    registry = FakeRegistry()
    schemas = WriterSchemas(registry.schema, clock)
    with pytest.raises(SchemaNotFound):
        schemas(7)
    registry.texts[7] = "{}"
    clock.now += FORGET_AFTER_S
    assert schemas(7) == "{}"


def test_one_missing_id_does_not_speak_for_another(clock: Clock) -> None:
    schemas = WriterSchemas(FakeRegistry(id_8="{}").schema, clock)
    with pytest.raises(SchemaNotFound):
        schemas(7)
    assert schemas(8) == "{}"


def test_no_answer_is_not_remembered_as_no_schema(clock: Clock) -> None:
    registry = FakeRegistry(id_7="{}")
    schemas = WriterSchemas(registry.schema, clock)
    registry.is_down = True
    with pytest.raises(RegistryUnreachable):
        schemas(7)
    registry.is_down = False
    assert schemas(7) == "{}"


def test_of_too_many_missing_ids_the_oldest_are_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer that counts its ids up must not fill the worker's memory."""
    monkeypatch.setattr(writer_schemas, "MOST_REMEMBERED", 2)
    registry = FakeRegistry()
    schemas = WriterSchemas(registry.schema, clock)
    for schema_id in (1, 2, 3, 3, 2, 1):
        with pytest.raises(SchemaNotFound):
            schemas(schema_id)
    assert registry.asked == [1, 2, 3, 1]
