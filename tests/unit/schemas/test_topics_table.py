"""The table of topics and the schema files belong together."""

from importlib.resources import files

from freshet.schemas.avro import schema
from freshet.schemas.topics import BY_NAME, CATALOG, TOPICS


def schema_files() -> set[str]:
    return {path.name for path in files("freshet.schemas").iterdir() if path.name.endswith(".avsc")}


def test_every_topic_has_a_schema_file_and_every_file_a_topic() -> None:
    assert {topic.schema_file for topic in TOPICS} == schema_files()


def test_every_schema_parses_as_a_record_of_our_namespace() -> None:
    for topic in TOPICS:
        parsed = schema(topic.name)
        assert parsed["type"] == "record"
        assert parsed["name"].startswith("freshet.")


def test_no_two_topics_share_a_name_or_a_record_name() -> None:
    assert len(BY_NAME) == len(TOPICS)
    assert len({schema(topic.name)["name"] for topic in TOPICS}) == len(TOPICS)


def test_only_the_catalogue_is_compacted_and_it_keeps_items_for_ever() -> None:
    assert [topic.name for topic in TOPICS if topic.compacted] == [CATALOG]
    assert BY_NAME[CATALOG].config() == {"cleanup.policy": "compact", "retention.ms": "-1"}


def test_subjects_follow_the_topic_name_strategy() -> None:
    assert all(topic.subject == f"{topic.name}-value" for topic in TOPICS)
