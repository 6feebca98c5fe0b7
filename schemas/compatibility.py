"""Why a reader's schema cannot read what an older one wrote, in words: field by field.

A registry answers yes or no, and its reasons differ in form from product to product. The rules here are those of Avro's
own checker, so that `freshet schemas check` names the field whatever registry is behind it.
"""

import json
from collections.abc import Iterator
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType, SchemaIncompatibilityType
from avro.constants import PRIMITIVE_TYPES
from avro.errors import AvroException
from avro.schema import EnumSchema, Field, RecordSchema, Schema, UnionSchema, parse


class NotASchema(ValueError):
    """The text is not an Avro record schema."""


def parse_record(text: str) -> RecordSchema:
    """Parse the text of a record schema.

    Raises:
        NotASchema: it is something else; the text says what is wrong.
    """
    try:
        json.loads(text)
        parsed = parse(text)
    except json.JSONDecodeError as error:
        raise NotASchema(f"it is not JSON, {error.msg} at line {error.lineno}, column {error.colno}") from None
    except AvroException as error:
        raise NotASchema(str(error)) from None
    if not isinstance(parsed, RecordSchema):
        raise NotASchema(f"it is of type {parsed.type}, not a record")
    return parsed


def incompatibilities(reader: str, writer: str) -> list[str]:
    """Return what keeps `reader` from reading records of `writer`, a phrase for each field; nothing when it can.

    Raises:
        NotASchema: one of the texts is no record schema.
    """
    ours, theirs = parse_record(reader), parse_record(writer)
    if ours.name != theirs.name and theirs.fullname not in _aliases(ours):
        return [f"the record is named {ours.fullname}, it was {theirs.fullname}"]
    return [phrase for field in ours.fields for phrase in _field(field, theirs)]


def _field(field: Field, writer: RecordSchema) -> Iterator[str]:
    names = (field.name, *_aliases(field))
    before = next((writer.fields_dict[name] for name in names if name in writer.fields_dict), None)
    if before is not None:
        yield from (f"field `{field.name}` {phrase}" for phrase in _type(field.type, before.type))
    elif not field.has_default:
        yield f"field `{field.name}` is new and has no default"


def _type(reader: Schema, writer: Schema) -> Iterator[str]:
    result = ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)  # type: ignore[no-untyped-call]
    if result.compatibility is SchemaCompatibilityType.compatible:
        return
    if _is_plain(reader) and _is_plain(writer):
        yield f"is of type {_named(reader)}, it was {_named(writer)}"
    elif isinstance(reader, EnumSchema) and isinstance(writer, EnumSchema) and reader.name == writer.name:
        lost = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
        yield f"loses the symbols {', '.join(lost)} and its enum has no default"
    else:
        kinds = dict.fromkeys(result.incompatibilities)
        yield f"{'; '.join(PHRASES[kind] for kind in kinds)} ({', '.join(sorted(result.messages))})"


def _aliases(named: Schema | Field) -> tuple[str, ...]:
    aliases: Any = named.props.get("aliases")
    return tuple(aliases or ())


def _is_plain(schema: Schema) -> bool:
    """Tell whether the names of its types say all about a type."""
    return all(branch.type in PRIMITIVE_TYPES for branch in _branches(schema))


def _named(schema: Schema) -> str:
    return " or ".join(str(branch.type) for branch in _branches(schema))


def _branches(schema: Schema) -> tuple[Schema, ...]:
    return tuple(schema.schemas) if isinstance(schema, UnionSchema) else (schema,)


PHRASES = {
    SchemaIncompatibilityType.name_mismatch: "has a type of another name",
    SchemaIncompatibilityType.fixed_size_mismatch: "has another size",
    SchemaIncompatibilityType.missing_enum_symbols: "loses enum symbols",
    SchemaIncompatibilityType.reader_field_missing_default_value: "holds a new field without a default",
    SchemaIncompatibilityType.type_mismatch: "changes its type",
    SchemaIncompatibilityType.missing_union_branch: "loses a branch of its union",
}
