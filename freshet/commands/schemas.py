"""`freshet schemas register|check`: the contracts of the topics, in the registry and on the broker."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from freshet.console import JsonFlag, err, print_json, say
from freshet.errors import FreshetError
from freshet.schemas.avro import schema_text
from freshet.schemas.compatibility import NotASchema, incompatibilities, parse_record
from freshet.schemas.registry import COMPATIBILITY, Registry, SchemaNotFound
from freshet.schemas.topics import BY_NAME, TOPICS
from freshet.settings import Settings, load_settings
from freshet.topics import TopicReport, check_topics, count, create_topics

app = typer.Typer(help="Register the schemas and topics, or check what would change.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--dir", help="Check the .avsc files of this folder instead of those that are installed.")
]

Status = Literal["new", "new version", "unchanged", "incompatible"]


@dataclass(frozen=True)
class Finding:
    """How a schema stands to what the registry holds under its subject."""

    subject: str
    status: Status
    reasons: tuple[str, ...] = ()
    id: int | None = None


class IncompatibleSchemas(FreshetError):
    """Some schemas may not follow those that the registry holds; nothing was registered."""

    def __init__(self, findings: list[Finding]) -> None:
        refused = [finding for finding in findings if finding.status == "incompatible"]
        reasons = "; ".join(f"{finding.subject}: {', '.join(finding.reasons)}" for finding in refused)
        super().__init__(
            f"Readers could not read what is already written ({reasons}); mend that or write to a new topic."
        )


@app.command()
def register(as_json: JsonFlag = False) -> None:
    """Register every schema (rule: BACKWARD_TRANSITIVE) and create the Kafka topics; what is there already stays."""
    quieten_the_kafka_client()
    settings = load_settings()
    findings = register_schemas(settings)
    tell(findings, create_topics(settings), as_json)


@app.command()
def check(folder: Folder = None, as_json: JsonFlag = False) -> None:
    """Say what `register` would change, and change nothing; fails when a schema may not follow those before it."""
    quieten_the_kafka_client()
    settings = load_settings()
    texts = installed_schemas() if folder is None else schemas_in(folder)
    findings = compare_all(Registry(settings.registry.url), texts)
    tell(findings, check_topics(settings) if folder is None else None, as_json)
    stop_if_incompatible(findings)


def register_schemas(settings: Settings) -> list[Finding]:
    """Register every schema of Freshet and return what was new; none is registered when one is incompatible.

    Raises:
        IncompatibleSchemas: the text carries the reasons.
        FreshetError: the registry does not answer.
    """
    registry, texts = Registry(settings.registry.url), installed_schemas()
    findings = compare_all(registry, texts)
    stop_if_incompatible(findings)
    return [registered(registry, finding, texts[finding.subject]) for finding in findings]


def quieten_the_kafka_client() -> None:
    """Silence the client's log: what goes wrong is said once, by the error that is raised."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def installed_schemas() -> dict[str, str]:
    """Return the text of each schema that this version of Freshet uses, by subject."""
    return {topic.subject: schema_text(topic.name) for topic in TOPICS}


def schemas_in(folder: Path) -> dict[str, str]:
    """Return the text of each `<topic>.avsc` of a folder, by subject.

    Raises:
        FreshetError: there is none, one is no Avro record, or one belongs to no topic.
    """
    paths = sorted(folder.glob("*.avsc"))
    if not paths:
        raise FreshetError(f"{folder} holds no .avsc file; give the folder of the edited schemas.")
    for path in paths:
        if path.stem not in BY_NAME:
            raise FreshetError(f"{path} belongs to no topic; name it after one of {', '.join(BY_NAME)}.")
    return {BY_NAME[path.stem].subject: read_schema(path) for path in paths}


def read_schema(path: Path) -> str:
    """Return the text of a schema file.

    Raises:
        FreshetError: it is no Avro record schema.
    """
    text = path.read_text("utf-8")
    try:
        parse_record(text)
    except NotASchema as error:
        raise FreshetError(f"{path} is not an Avro record schema: {str(error).rstrip('.')}.") from None
    return text


def compare_all(registry: Registry, texts: Mapping[str, str]) -> list[Finding]:
    """Compare each schema with what the registry holds under its subject."""
    return [compare(registry, subject, text) for subject, text in texts.items()]


def compare(registry: Registry, subject: str, text: str) -> Finding:
    """Compare a schema with every version of its subject, by the rule BACKWARD_TRANSITIVE, and change nothing."""
    versions = registry.versions(subject)
    if not versions:
        return Finding(subject, "new")
    try:
        return Finding(subject, "unchanged", id=registry.id_of(subject, text))
    except SchemaNotFound:
        pass
    refused = registry.problems(subject, text)
    reasons = tuple(explain(registry, subject, versions, text))
    # Before the first `register` the subject may have no rule, and the registry allows anything.
    if refused or (reasons and registry.rule(subject) != COMPATIBILITY):
        return Finding(subject, "incompatible", reasons or tuple(refused))
    return Finding(subject, "new version")


def explain(registry: Registry, subject: str, versions: list[int], text: str) -> Iterator[str]:
    """Yield each reason why the schema cannot read records of some version, with those versions."""
    found: dict[str, list[int]] = {}
    for number in versions:
        for reason in incompatibilities(text, registry.version(subject, number)):
            found.setdefault(reason, []).append(number)
    for reason, numbers in found.items():
        label = "version" if len(numbers) == 1 else "versions"
        yield f"{reason} ({label} {', '.join(map(str, numbers))})"


def registered(registry: Registry, finding: Finding, text: str) -> Finding:
    """Register a schema and return the finding with its id. One that was there is sent too, which sets its rule."""
    return Finding(finding.subject, finding.status, id=registry.register(finding.subject, text))


def stop_if_incompatible(findings: list[Finding]) -> None:
    """Raise IncompatibleSchemas when there is one."""
    if any(finding.status == "incompatible" for finding in findings):
        raise IncompatibleSchemas(findings)


def tell(findings: list[Finding], topics: TopicReport | None, as_json: bool) -> None:
    """Print what was found or done."""
    if as_json:
        print_json({"schemas": [asdict(finding) for finding in findings], "topics": asdict(topics) if topics else None})
        return
    for finding in findings:
        say(f"{finding.subject}: {finding.status}{'' if finding.id is None else f' (id {finding.id})'}")
    if topics is not None:
        tell_topics(topics)


def tell_topics(topics: TopicReport) -> None:
    """Print the state of the topics; what is wrong goes to standard error."""
    for name in topics.created:
        say(f"topic {name}: created with {count(BY_NAME[name].partitions)}")
    for name in topics.existing:
        say(f"topic {name}: unchanged")
    for problem in topics.problems:
        err.print(problem, markup=False)
