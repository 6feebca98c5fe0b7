"""Make Freshet's Kafka topics, and tell which of those that are already there differ from what the jobs expect."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from freshet.errors import FreshetError
from freshet.schemas.topics import TOPICS, Topic
from freshet.settings import Settings

CONNECT_MS = 10_000
CLEANUP = "cleanup.policy"


@dataclass(frozen=True)
class Layout:
    """How a topic lies on the broker."""

    partitions: int
    cleanup_policy: str


@dataclass(frozen=True)
class TopicReport:
    """What `create_topics` found: names that are new, names that were there, and sentences about wrong ones."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    problems: tuple[str, ...]


def create_topics(settings: Settings, topics: Iterable[Topic] = TOPICS) -> TopicReport:
    """Create the topics that are missing and leave the others as they are.

    Raises:
        FreshetError: the broker does not answer or refuses a topic.
    """
    topics = tuple(topics)
    try:
        with admin(settings) as client:
            present = _present(client, topics)
            created = _create(client, settings, [topic for topic in topics if topic.name not in present])
    except KafkaError as error:
        raise kafka_down(settings, error) from None
    existing = tuple(topic.name for topic in topics if topic.name not in created)
    return TopicReport(created, existing, tuple(problems(present, topics)))


def check_topics(settings: Settings, topics: Iterable[Topic] = TOPICS) -> TopicReport:
    """Compare the broker's topics with ours and change nothing; a missing topic is a problem.

    Raises:
        FreshetError: the broker does not answer.
    """
    topics = tuple(topics)
    try:
        with admin(settings) as client:
            present = _present(client, topics)
    except KafkaError as error:
        raise kafka_down(settings, error) from None
    missing = [
        f"Topic {topic.name} is missing; make it with `freshet schemas register`."
        for topic in topics
        if topic.name not in present
    ]
    return TopicReport((), tuple(sorted(present)), (*missing, *problems(present, topics)))


def problems(present: Mapping[str, Layout], topics: Iterable[Topic]) -> Iterator[str]:
    """Yield a sentence for each difference between a topic that is there and the one the jobs expect.

    Retention is the operator's to choose, so it is not compared.
    """
    for topic in topics:
        layout = present.get(topic.name)
        if layout is None:
            continue
        if layout.partitions != topic.partitions:
            yield f"Topic {topic.name} has {count(layout.partitions)}, Freshet expects {topic.partitions}; {MEND}"
        expected = topic.config()[CLEANUP]
        if layout.cleanup_policy != expected:
            yield f"Topic {topic.name} has {CLEANUP}={layout.cleanup_policy}, Freshet expects {expected}; {MEND}"


MEND = "alter it, or delete it and run `freshet schemas register`."


def count(partitions: int) -> str:
    """Return a number of partitions in words.

    >>> count(1), count(4)
    ('1 partition', '4 partitions')
    """
    return f"{partitions} partition{'' if partitions == 1 else 's'}"


def admin(settings: Settings) -> KafkaAdminClient:
    """Connect to the broker; use it in a `with`.

    Raises:
        KafkaError: it does not answer within ten seconds.
    """
    return KafkaAdminClient(
        bootstrap_servers=servers(settings),
        client_id="freshet-topics",
        bootstrap_timeout_ms=CONNECT_MS,
        request_timeout_ms=CONNECT_MS,
    )


def servers(settings: Settings) -> list[str]:
    """Return the broker addresses as a list."""
    return [server.strip() for server in settings.kafka.bootstrap_servers.split(",")]


def kafka_down(settings: Settings, error: Exception) -> FreshetError:
    """Say in one sentence that the broker cannot be used, and what to do."""
    return FreshetError(
        f"Kafka at {settings.kafka.bootstrap_servers} does not answer ({reason(error)}); start it with `freshet up` or "
        "set FRESHET_KAFKA__BOOTSTRAP_SERVERS."
    )


def reason(error: Exception) -> str:
    """Return an error's own words, without the class name that the Kafka client puts before them.

    >>> reason(KafkaError("no route to host.")), reason(KafkaError())
    ('no route to host', 'KafkaError')
    """
    return str(error.args[0]).strip().rstrip(".") if error.args else type(error).__name__


def _present(client: KafkaAdminClient, topics: tuple[Topic, ...]) -> dict[str, Layout]:
    names = set(client.list_topics()) & {topic.name for topic in topics}
    if not names:
        return {}
    policies = _cleanup_policies(client, names)
    described = client.describe_topics(sorted(names))
    return {topic["name"]: Layout(len(topic["partitions"]), policies[topic["name"]]) for topic in described}


def _cleanup_policies(client: KafkaAdminClient, names: set[str]) -> dict[str, str]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, [CLEANUP]) for name in sorted(names)]
    answer = client.describe_configs(resources, config_filter="all")["topic"]
    return {name: str(config[CLEANUP]["value"]) for name, config in answer.items()}


def _create(client: KafkaAdminClient, settings: Settings, missing: list[Topic]) -> tuple[str, ...]:
    if not missing:
        return ()
    wanted = {topic.name: {"num_partitions": topic.partitions, "configs": topic.config()} for topic in missing}
    answer = client.create_topics(wanted, raise_errors=False, wait_for_metadata=True)
    return tuple(topic["name"] for topic in answer["topics"] if _is_new(topic, settings))


def _is_new(topic: dict[str, Any], settings: Settings) -> bool:
    """Tell whether the broker made this topic just now; another client may have been first."""
    error = for_code(topic["error_code"])
    if error is TopicAlreadyExistsError:
        return False
    if topic["error_code"]:
        why = topic.get("error_message") or error.__name__
        where = f"Kafka at {settings.kafka.bootstrap_servers}"
        raise FreshetError(f"{where} refused to make topic {topic['name']} ({why}); mend that and run it again.")
    return True
