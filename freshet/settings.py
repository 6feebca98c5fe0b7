"""The one typed tree of settings, read from `FRESHET_*` variables and a `.env` file.

Nested names are joined by two underscores: `FRESHET_KAFKA__BOOTSTRAP_SERVERS` is `settings.kafka.bootstrap_servers`.
Addresses that are not set point at the local stack, whose ports all follow from `FRESHET_LOCAL__PORT_BASE`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from freshet.errors import FreshetError


class Section(BaseModel):
    """A frozen branch of the tree; an unknown name is an error, not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


MOST_TASKMANAGERS = 3


class Local(Section):
    """The local stack: where its state lives and which loopback ports it takes."""

    home: Path = Field(Path(".freshet"), description="folder of the local stack's state, logs and pid files")
    port_base: int = Field(
        9480, ge=1024, le=65000, description="first of twenty ports; another checkout takes another base"
    )
    state_backend: Literal["hashmap", "rocksdb"] = Field(
        "hashmap", description="Flink state backend of the local cluster"
    )
    taskmanager_memory: str = Field("2200m", description="process size of the local TaskManager")
    slots: int = Field(4, ge=1, description="task slots of each local TaskManager; one a job")
    taskmanagers: int = Field(
        1, ge=1, le=MOST_TASKMANAGERS, description="local TaskManagers; another one takes the jobs of one that dies"
    )
    high_availability: bool = Field(
        default=False, description="start ZooKeeper, by which jobs outlive the local JobManager, and a `freshet down`"
    )

    def port(self, part: str) -> int:
        """Return the port of a part of the local stack."""
        return self.port_base + PORT_OFFSETS[part]


PORT_OFFSETS = {
    "kafka": 0,
    "kafka-controller": 1,
    "registry": 2,
    "redis": 3,
    "flink-rest": 4,
    "flink-jobmanager": 5,
    "flink-taskmanager": 6,
    "flink-taskmanager-data": 7,
    "flink-blob": 8,
    "zookeeper": 9,
    "flink-metrics": 10,  # and the five after it
    "flink-taskmanager-2": 16,
    "flink-taskmanager-2-data": 17,
    "flink-taskmanager-3": 18,
    "flink-taskmanager-3-data": 19,
}


class Kafka(Section):
    """The broker."""

    bootstrap_servers: str = Field("", description="host:port, comma separated; empty: the local stack")


class Registry(Section):
    """The schema registry (Confluent API)."""

    url: str = Field("", description="base URL of its Confluent API; empty: the local stack")


class Redis(Section):
    """The online store."""

    url: SecretStr = Field(SecretStr(""), description="redis://[user:password@]host:port/db; empty: the local stack")
    project: str = Field("freshet", description="Feast project, part of every feature key")

    @field_validator("url")
    @classmethod
    def _is_a_redis_address(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text and not text.startswith(("redis://", "rediss://")):
            raise ValueError("an address begins with redis:// or, with TLS, rediss://")
        return url


class Flink(Section):
    """The cluster that runs the jobs."""

    rest_url: str = Field("", description="JobManager REST address; empty: the local stack")
    parallelism: int = Field(1, ge=1, description="parallelism of each submitted job")


class Privacy(Section):
    """Pseudonyms."""

    pseudonym_key: SecretStr | None = Field(
        None, description="secret of the keyed hash of user ids, 16 characters or more"
    )
    pseudonym_key_file: Path | None = Field(
        None, description="file that holds that secret, on workers too; empty: made by `freshet up`"
    )


class Features(Section):
    """What features are computed with beside the events."""

    state_ttl_days: int = Field(90, ge=1, description="a key or event id that nobody touches for so long is forgotten")
    item_vectors: Path | None = Field(
        None, description="file behind `ITEM_VECTOR`, on workers too; empty: no feature may ask for it"
    )
    checkpoint_seconds: int = Field(
        60,
        ge=1,
        description="how often the features and the trends job write down their state, which takes a core for a moment; "
        "what a restart replays",
    )


class Model(Section):
    """The scorer's artefact."""

    path: Path | None = Field(
        None, description="folder with model.onnx and manifest.json; empty: the artefact that ships"
    )
    providers: tuple[str, ...] = Field(
        (), description="ONNX Runtime providers in order; empty: the best of this machine"
    )
    precision: Literal["fp32", "fp16", "int8"] = Field(
        "fp32", description="which of the artefact's graphs scores; `freshet train` tells what each loses"
    )


class Lists(Section):
    """The lists that are written."""

    placement: str = Field(
        "home",
        pattern=r"^[a-z0-9_-]+(,[a-z0-9_-]+)*$",
        description="places that show lists, comma separated, of the configuration",
    )
    config: Path | None = Field(
        None, description="YAML file of placements: sources, shares, re-ranking; empty: the one that ships"
    )
    length: int | None = Field(None, ge=1, le=500, description="items in a list; empty: as the placement says")
    ttl_seconds: int | None = Field(
        None, ge=1, description="lifetime of a user's list after its last update; empty: as the placement says"
    )

    execution_mode: Literal["thread", "process"] = Field(
        "thread",
        description="how Flink runs the recommender: `thread` inside a TaskManager, for short latency; `process` in a "
        "process for each slot, for many lists a second",
    )

    @property
    def placements(self) -> tuple[str, ...]:
        """The names of the places."""
        return tuple(dict.fromkeys(self.placement.split(",")))


class Archive(Section):
    """The archive of clean events."""

    path: str = Field("", description="folder or s3:// address of its Parquet files; empty: in the local stack's home")
    block_events: int = Field(100_000, ge=1, description="offsets of a partition that share a file; never change it")
    flush_seconds: float = Field(10.0, gt=0, description="how long an event waits at most to be readable")


class Settings(BaseSettings):
    """All settings. Build it once with `load_settings` and pass sections down."""

    model_config = SettingsConfigDict(
        env_prefix="FRESHET_", env_nested_delimiter="__", env_file=".env", extra="ignore", frozen=True
    )

    local: Local = Local()
    kafka: Kafka = Kafka()
    registry: Registry = Registry()
    redis: Redis = Redis()
    flink: Flink = Flink()
    privacy: Privacy = Privacy()
    features: Features = Features()
    model: Model = Model()
    lists: Lists = Lists()
    archive: Archive = Archive()

    @model_validator(mode="after")
    def _point_at_the_local_stack(self) -> "Settings":
        local = self.local.model_copy(update={"home": self.local.home.expanduser().absolute()})
        port = local.port
        self._fill("kafka", self.kafka, bootstrap_servers=f"127.0.0.1:{port('kafka')}")
        self._fill("registry", self.registry, url=f"http://127.0.0.1:{port('registry')}/apis/ccompat/v7")
        self._fill("redis", self.redis, url=SecretStr(f"redis://127.0.0.1:{port('redis')}/0"))
        self._fill("flink", self.flink, rest_url=f"http://127.0.0.1:{port('flink-rest')}")
        self._fill("privacy", self.privacy, pseudonym_key_file=local.home / "pseudonym.key")
        self._fill("archive", self.archive, path=str(local.home / "archive" / "interactions.clean"))
        object.__setattr__(self, "local", local)
        return self

    def _fill(self, name: str, section: Section, **defaults: Any) -> None:
        missing = {field: value for field, value in defaults.items() if is_empty(getattr(section, field))}
        object.__setattr__(self, name, section.model_copy(update=missing))


def is_empty(value: object) -> bool:
    """Tell whether a setting was left unset."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return text is None or text == ""


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the settings of this process once.

    Raises:
        FreshetError: a variable has an unknown name or a value that does not fit.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "FRESHET_" + "__".join(str(part).upper() for part in first["loc"])
        raise FreshetError(f"Setting {name} is not usable: {first['msg'].removeprefix('Value error, ')}.") from None
