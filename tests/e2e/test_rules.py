"""What a user does triggers rules, and the lists show it: the rules job beside the others, its shop's rules made quick."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from builders import FEATURE_REPO, an_interaction
from e2e.running import cancel, is_running, until, vertices
from freshet.lists import ListReader
from freshet.models.artefact import Artefact
from freshet.replay.produce import produce
from freshet.schemas.topics import CATALOG, INTERACTIONS
from freshet.settings import Settings
from freshet.submit import Cluster

pytestmark = pytest.mark.e2e

QUICK = {
    "Boost(factor=2,": "Boost(factor=50,",
    "after=20 * MINUTE": "after=timedelta(seconds=2)",
}
VIEWED = 3


@pytest.fixture(scope="module")
def shelf() -> tuple[str, list[str]]:
    """The category of the most bought item, and items of it that few buy: what is left of it is popular."""
    vocabulary = Artefact.load().vocabulary
    number = vocabulary.item_category[1]
    members = [vocabulary.item(at) for at in range(1, len(vocabulary) + 1) if vocabulary.item_category[at] == number]
    assert len(members) > 2 * VIEWED
    return vocabulary.categories[number - 1], members[-VIEWED:]


@pytest.fixture(scope="module")
def ruled(
    cluster: Cluster,
    settings: Settings,
    freshet: Any,
    shelf: tuple[str, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ListReader]:
    """A reader of lists, while the rules job runs; it is cancelled at the end, which frees its slot."""
    category, items = shelf
    produce([{"item_id": item, "category": category, "updated_at": 0} for item in items], settings, CATALOG)
    freshet("features", "apply", "--repo", str(quick_rules(tmp_path_factory.mktemp("feature_repo"))))
    freshet("submit", "rules")
    until(partial(is_running, cluster, "rules"), "job rules", timeout_s=120)
    until(partial(has_read, cluster, settings, items[0]), "the rules job to read", timeout_s=120)
    yield ListReader(settings)
    cancel(cluster, "rules")


def has_read(cluster: Cluster, settings: Settings, item: str) -> bool:
    """Send an event and tell whether one has been read: what comes before the job knows the topic's end is not for it."""
    sends(settings, "user-before", "view", [item])
    sources = (one for one in vertices(cluster, "rules") if one["name"].startswith("Source: KafkaSource"))
    return any(one["metrics"]["write-records"] for one in sources)


def quick_rules(folder: Path) -> Path:
    """Write the shop's definitions with rules that a test can wait for."""
    text = (FEATURE_REPO / "definitions.py").read_text("utf-8")
    for slow, quick in QUICK.items():
        assert text.count(slow) == 1
        text = text.replace(slow, quick)
    (folder / "definitions.py").write_text(text)
    return folder


def sends(settings: Settings, user: str, kind: str, items: list[str]) -> None:
    """Send an event for each item, the last of them now."""
    now = time.time_ns() // 1_000_000
    times = range(now - len(items) + 1, now + 1)
    produce(
        [an_interaction(kind, user=user, at=at, item_id=one) for at, one in zip(times, items, strict=True)],
        settings,
        INTERACTIONS,
    )


def test_three_views_of_one_category_bring_it_to_the_top(
    ruled: ListReader, settings: Settings, shelf: tuple[str, list[str]]
) -> None:
    """And that in a stream in which nothing else happens."""
    category, items = shelf
    reason = f"you look at {category} a lot"
    sends(settings, "user-looks", "view", items[:1])
    before = until(lambda: ruled.own("user-looks"), "the first list", timeout_s=60)
    assert reason not in [item["reason"] for item in before.items]
    sends(settings, "user-looks", "view", items[1:])

    def boosted() -> Any:
        found = ruled.own("user-looks")
        return found if found and found.items[0]["reason"] == reason else None

    after = until(boosted, "the boosted list", timeout_s=60)
    assert after.items[0]["item_id"] != before.items[0]["item_id"] or after.items[0]["score"] > before.items[0]["score"]
    assert after.value["intervention"] is None


def test_a_cart_that_is_left_alone_asks_for_a_coupon_and_one_that_is_paid_does_not(
    ruled: ListReader, settings: Settings, shelf: tuple[str, list[str]]
) -> None:
    _, items = shelf
    for user in ("user-pays", "user-leaves"):
        sends(settings, user, "add_to_cart", items[:1])
    sends(settings, "user-pays", "purchase", items[:1])
    left = until(
        lambda: (found := ruled.own("user-leaves")) and found.value["intervention"], "the intervention", timeout_s=60
    )
    assert (left["name"], left["rule"], left["item_id"]) == ("coupon", "cart_abandoned", items[0])
    assert left["until"] > time.time() * 1000
    paid = ruled.own("user-pays")
    assert paid is not None
    assert paid.value["intervention"] is None
