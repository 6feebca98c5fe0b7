"""The ingest step as a Flink function: thread mode, no bundle, one call a record."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyflink.common import Row
from pyflink.table import DataTypes
from pyflink.table.udf import ScalarFunction, udf

from freshet.schemas.avro import Decoder, Encoder
from freshet.schemas.registry import Registry
from freshet.schemas.topics import INTERACTIONS, INTERACTIONS_CLEAN, INTERACTIONS_REJECTED
from freshet.udfs.catalogue_topic import shared_catalogue
from freshet.udfs.clean import Position
from freshet.udfs.ingest import Ingest, Raw
from freshet.udfs.pseudonym import load_key
from freshet.udfs.writer_schemas import WriterSchemas

RESULT = DataTypes.ROW(
    [
        DataTypes.FIELD("subject", DataTypes.STRING()),
        DataTypes.FIELD("payload", DataTypes.BYTES()),
    ]
)


@dataclass(frozen=True)
class IngestConfig:
    """What a worker needs; the pseudonym key is read where it runs, never carried in the job graph."""

    bootstrap_servers: str
    registry_url: str
    clean_schema_id: int
    rejected_schema_id: int
    pseudonym_key_file: Path | None


class IngestFunction(ScalarFunction):  # type: ignore[misc]
    """(payload, key, partition, offset, record time in ms) -> (subject or null, bytes for the clean or rejected topic)."""

    def __init__(self, config: IngestConfig) -> None:
        self._config = config
        self._ingest: Ingest | None = None

    def open(self, function_context: Any) -> None:
        """Load the catalogue and the key; both are needed before the first event."""
        config = self._config
        self._ingest = Ingest(
            decode=Decoder(INTERACTIONS, WriterSchemas(Registry(config.registry_url).schema)),
            encode_clean=Encoder(INTERACTIONS_CLEAN, config.clean_schema_id),
            encode_rejected=Encoder(INTERACTIONS_REJECTED, config.rejected_schema_id),
            catalogue=shared_catalogue(config.bootstrap_servers, config.registry_url),
            key=load_key(config.pseudonym_key_file),
        )

    def is_deterministic(self) -> bool:
        """Say no: it asks the registry, the catalogue and the clock, so the planner must not call it twice."""
        return False

    def eval(self, payload: bytes | None, key: bytes | None, partition: int, offset: int, record_time: int) -> Row:
        """Judge one record."""
        assert self._ingest is not None
        outcome = self._ingest(Raw(payload, key, Position(INTERACTIONS, partition, offset), record_time))
        return Row(outcome.subject, outcome.value)


def ingest_udf(config: IngestConfig) -> Any:
    """Return the function for `create_temporary_function`."""
    return udf(IngestFunction(config), result_type=RESULT)
