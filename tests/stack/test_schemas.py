"""Schemas and topics against the real registry and broker."""

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from typer.testing import CliRunner, Result

from freshet.commands import schemas
from freshet.errors import FreshetError
from freshet.schemas.avro import schema_text
from freshet.schemas.compatibility import incompatibilities
from freshet.schemas.registry import COMPATIBILITY, Registry, SchemaNotFound, SchemaRefused
from freshet.schemas.topics import INTERACTIONS, TOPICS, Topic
from freshet.settings import Settings
from freshet.topics import admin, check_topics, create_topics

# The Kafka client leaves the sockets of failed connections to the garbage collector.
pytestmark = [pytest.mark.usefixtures("stack"), pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


@pytest.fixture(autouse=True)
def sockets_are_collected() -> Iterator[None]:
    """Collect them while the warning is still ignored, not in some later test."""
    yield
    gc.collect()


Command = Callable[..., Result]


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry(settings.registry.url)


@pytest.fixture
def subject(settings: Settings) -> Iterator[str]:
    """A subject that no other test uses; it is deleted afterwards."""
    subject = f"test-{uuid4().hex}-value"
    yield subject
    httpx.delete(f"{settings.registry.url}/subjects/{subject}")
    httpx.delete(f"{settings.registry.url}/subjects/{subject}", params={"permanent": "true"})


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `freshet schemas ...` against the stack."""
    monkeypatch.setattr(schemas, "load_settings", lambda: settings)
    return lambda *words: CliRunner().invoke(schemas.app, words)


@pytest.fixture
def topic(settings: Settings) -> Iterator[Topic]:
    """A topic that no other test uses; it is deleted afterwards."""
    topic = Topic(f"test-{uuid4().hex}", partitions=3, retention_ms=3_600_000)
    yield topic
    with admin(settings) as client:
        if topic.name in client.list_topics():
            client.delete_topics([topic.name])


def changed(**field: Any) -> str:
    """Return the schema of interactions with a field more."""
    record = json.loads(schema_text(INTERACTIONS))
    record["fields"].append(field)
    return json.dumps(record)


def report(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_a_registered_schema_is_found_by_id_and_by_text(registry: Registry, subject: str) -> None:
    schema_id = registry.register(subject, schema_text(INTERACTIONS))
    assert json.loads(registry.schema(schema_id)) == json.loads(schema_text(INTERACTIONS))
    assert registry.id_of(subject, schema_text(INTERACTIONS)) == schema_id


def test_registering_again_adds_nothing(registry: Registry, subject: str) -> None:
    once = registry.register(subject, schema_text(INTERACTIONS))
    assert registry.register(subject, schema_text(INTERACTIONS)) == once
    assert registry.versions(subject) == [1]


def test_the_rule_is_set_on_the_subject(registry: Registry, subject: str) -> None:
    registry.register(subject, schema_text(INTERACTIONS))
    assert registry.rule(subject) == COMPATIBILITY


def test_an_incompatible_schema_is_refused_with_the_field(registry: Registry, subject: str) -> None:
    registry.register(subject, schema_text(INTERACTIONS))
    with pytest.raises(SchemaRefused, match="campaign") as refusal:
        registry.register(subject, changed(name="campaign", type="string"))
    assert "Exception" not in str(refusal.value)
    assert registry.versions(subject) == [1]


def test_the_rule_reaches_back_to_the_first_version(registry: Registry, subject: str) -> None:
    """The newest version gave the field a default; a reader without it could not read the first one's records."""
    registry.register(subject, schema_text(INTERACTIONS))
    registry.register(subject, changed(name="campaign", type="string", default=""))
    without_default = changed(name="campaign", type="string")
    assert registry.problems(subject, without_default)
    with pytest.raises(SchemaRefused):
        registry.register(subject, without_default)


EDITS = {
    "a new field with a default": changed(name="campaign", type="string", default=""),
    "a new field without one": changed(name="campaign", type="string"),
    "a changed type": schema_text(INTERACTIONS).replace(
        '{"type": "long", "logicalType": "timestamp-millis"}', '"string"'
    ),
    "another record name": schema_text(INTERACTIONS).replace('"Interaction"', '"Event"'),
    "other words": schema_text(INTERACTIONS).replace("One thing that a user did", "What a user did"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_our_explanation_agrees_with_the_registrys_verdict(registry: Registry, subject: str, edit: str) -> None:
    registry.register(subject, schema_text(INTERACTIONS))
    refused = bool(registry.problems(subject, edit))
    assert bool(incompatibilities(edit, schema_text(INTERACTIONS))) == refused


def test_an_unknown_schema_is_not_found(registry: Registry, subject: str) -> None:
    with pytest.raises(SchemaNotFound):
        registry.schema(2_000_000_000)
    with pytest.raises(SchemaNotFound):
        registry.id_of(subject, schema_text(INTERACTIONS))
    registry.register(subject, schema_text(INTERACTIONS))
    with pytest.raises(SchemaNotFound):
        registry.id_of(subject, changed(name="campaign", type="string", default=""))


def test_register_leaves_everything_in_place_and_a_second_run_adds_nothing(command: Command) -> None:
    report(command("register", "--json"))
    second = report(command("register", "--json"))
    assert {schema["status"] for schema in second["schemas"]} == {"unchanged"}
    assert second["topics"]["created"] == []
    assert sorted(second["topics"]["existing"]) == sorted(topic.name for topic in TOPICS)


def test_check_changes_nothing_and_finds_nothing_to_change_after_register(command: Command) -> None:
    report(command("register", "--json"))
    found = report(command("check", "--json"))
    assert {schema["status"] for schema in found["schemas"]} == {"unchanged"}
    assert not [problem for problem in found["topics"]["problems"] if "missing" in problem]


def test_check_names_the_field_of_an_edited_schema_and_fails(
    command: Command, registry: Registry, tmp_path: Path
) -> None:
    report(command("register", "--json"))
    before = registry.versions("interactions-value")
    (tmp_path / "interactions.avsc").write_text(changed(name="campaign", type="string"))
    result = command("check", "--dir", str(tmp_path))
    assert "interactions-value: incompatible" in result.stdout
    assert isinstance(result.exception, FreshetError)
    assert "interactions-value: field `campaign` is new and has no default (version 1)" in str(result.exception)
    assert registry.versions("interactions-value") == before


def test_check_accepts_a_compatible_edit_without_registering_it(
    command: Command, registry: Registry, tmp_path: Path
) -> None:
    report(command("register", "--json"))
    before = registry.versions("interactions-value")
    (tmp_path / "interactions.avsc").write_text(changed(name="campaign", type="string", default=""))
    found = report(command("check", "--dir", str(tmp_path), "--json"))
    assert [schema["status"] for schema in found["schemas"]] == ["new version"]
    assert registry.versions("interactions-value") == before


def test_a_file_of_no_topic_and_a_file_that_is_no_schema_are_told(command: Command, tmp_path: Path) -> None:
    assert "holds no .avsc file" in str(command("check", "--dir", str(tmp_path)).exception)
    (tmp_path / "interactions.avsc").write_text("{")
    assert "is not an Avro record schema" in str(command("check", "--dir", str(tmp_path)).exception)
    (tmp_path / "clicks.avsc").write_text("{}")
    assert "belongs to no topic" in str(command("check", "--dir", str(tmp_path)).exception)


def test_topics_are_made_with_their_layout_and_left_alone_afterwards(settings: Settings, topic: Topic) -> None:
    first, second = create_topics(settings, [topic]), create_topics(settings, [topic])
    assert (first.created, first.problems) == ((topic.name,), ())
    assert (second.created, second.existing, second.problems) == ((), (topic.name,), ())
    with admin(settings) as client:
        [described] = client.describe_topics([topic.name])
    assert len(described["partitions"]) == 3


def test_a_topic_that_differs_is_told_and_not_touched(settings: Settings, topic: Topic) -> None:
    create_topics(settings, [topic])
    other = Topic(topic.name, partitions=5, retention_ms=-1, compacted=True)
    wrong = create_topics(settings, [other])
    assert wrong.created == ()
    assert [problem.partition(", Freshet")[0] for problem in wrong.problems] == [
        f"Topic {topic.name} has 3 partitions",
        f"Topic {topic.name} has cleanup.policy=delete",
    ]
    assert check_topics(settings, [topic]).problems == ()


def test_a_missing_topic_is_told_and_not_made(settings: Settings, topic: Topic) -> None:
    [problem] = check_topics(settings, [topic]).problems
    assert "is missing; make it with `freshet schemas register`" in problem
    assert len(check_topics(settings, [topic]).problems) == 1


def test_no_broker_is_one_sentence(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr("freshet.topics.CONNECT_MS", 1_000)
    nowhere = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})}
    )
    with pytest.raises(FreshetError, match=r"^Kafka at 127\.0\.0\.1:1 does not answer .*`freshet up`"):
        create_topics(nowhere)
