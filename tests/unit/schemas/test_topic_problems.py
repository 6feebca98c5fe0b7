"""How topics that are already there may differ from what the jobs expect."""

from freshet.schemas.topics import BY_NAME, CATALOG, INTERACTIONS, TOPICS
from freshet.topics import Layout, problems

AS_EXPECTED = {topic.name: Layout(topic.partitions, topic.config()["cleanup.policy"]) for topic in TOPICS}


def test_topics_as_we_make_them_have_no_problem() -> None:
    assert list(problems(AS_EXPECTED, TOPICS)) == []


def test_a_topic_that_is_not_there_is_no_difference() -> None:
    assert list(problems({}, TOPICS)) == []


def test_a_wrong_number_of_partitions_is_told() -> None:
    [problem] = problems({INTERACTIONS: Layout(1, "delete")}, [BY_NAME[INTERACTIONS]])
    assert problem.startswith("Topic interactions has 1 partition, Freshet expects 4; ")


def test_a_wrong_cleanup_policy_is_told() -> None:
    [problem] = problems({CATALOG: Layout(1, "delete")}, [BY_NAME[CATALOG]])
    assert problem.startswith("Topic catalog has cleanup.policy=delete, Freshet expects compact; ")


def test_both_are_told() -> None:
    assert len(list(problems({CATALOG: Layout(2, "delete")}, TOPICS))) == 2
