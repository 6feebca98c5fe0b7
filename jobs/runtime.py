"""What every job begins with: its table environment and the ids of its schemas."""

from typing import Literal

from pyflink.datastream import RuntimeExecutionMode, StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

from freshet.errors import FreshetError
from freshet.schemas.avro import schema_text
from freshet.schemas.registry import Registry, SchemaNotFound
from freshet.schemas.topics import BY_NAME
from freshet.settings import Settings

PythonMode = Literal["thread", "process"]


def environment(
    name: str,
    settings: Settings,
    *,
    python: PythonMode,
    state_ttl: str = "0",
    checkpoint_s: int = 0,
    batch: bool = False,
) -> StreamTableEnvironment:
    """Return the table environment of the job `name`.

    What holds for every job stands in flink-conf/config.yaml; here is what a job decides for itself: how its Python
    functions run, for how long an untouched key keeps its state ("0": it has no state of its own), how often its state is
    written down (0: as often as that of others), and whether it reads what there is and ends (`batch`).
    """
    stream = StreamExecutionEnvironment.get_execution_environment()
    if batch:
        stream.set_runtime_mode(RuntimeExecutionMode.BATCH)
    env = StreamTableEnvironment.create(stream)
    config = env.get_config()
    config.set("pipeline.name", f"freshet-{name}")
    config.set("parallelism.default", str(settings.flink.parallelism))
    config.set("python.execution-mode", python)
    config.set("table.exec.state.ttl", state_ttl)
    if checkpoint_s:
        config.set("execution.checkpointing.interval", f"{checkpoint_s} s")
    config.set("table.exec.uid.generation", "ALWAYS")
    config.set("pipeline.object-reuse", "true")
    return env


def stateful_environment(name: str, settings: Settings) -> StreamTableEnvironment:
    """Return the environment of a job that keeps much state of each key."""
    return environment(
        name,
        settings,
        python="process",
        state_ttl=f"{settings.features.state_ttl_days} d",
        checkpoint_s=settings.features.checkpoint_seconds,
    )


def schema_id(settings: Settings, topic: str) -> int:
    """Return the id under which the registry holds the topic's schema.

    Raises:
        FreshetError: it holds none, or not this version; `freshet schemas register` comes first.
        RegistryUnreachable: no answer.
    """
    try:
        return Registry(settings.registry.url).id_of(BY_NAME[topic].subject, schema_text(topic))
    except SchemaNotFound:
        raise FreshetError(
            f"The registry does not hold the schema of {topic} as this version writes it: run `freshet schemas register`."
        ) from None
