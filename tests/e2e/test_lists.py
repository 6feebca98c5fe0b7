"""Lists for two placements, in the store and on `recommendations`; and what becomes of them when the model goes bad."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import redis

from builders import an_interaction
from e2e.kafka_log import records
from e2e.running import cancel, is_running, restarts, until
from freshet.lists import Answer, ListReader
from freshet.models.artefact import Artefact, default_folder
from freshet.models.manifest import MANIFEST, MODEL, described
from freshet.models.vectors import item_table
from freshet.replay.produce import produce
from freshet.schemas.avro import Decoder
from freshet.schemas.registry import Registry
from freshet.schemas.topics import INTERACTIONS, RECOMMENDATIONS
from freshet.settings import Settings
from freshet.stack.flink import METRICS_PORTS
from freshet.stack.stack import Stack
from freshet.submit import Cluster
from local_stack import Freshet

pytestmark = pytest.mark.e2e


class Model(NamedTuple):
    """The model of the scoring job: its folder, and what was said when it was submitted with a damaged graph."""

    folder: Path
    refused: str


@pytest.fixture(scope="module")
def model(cluster: Cluster, freshet: Freshet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """The model of a scoring job for two placements, which is as before at the end."""
    folder = tmp_path_factory.mktemp("model") / "home-ranker"
    shutil.copytree(default_folder(), folder)
    own = {
        "FRESHET_MODEL__PATH": str(folder),
        "FRESHET_LISTS__PLACEMENT": "home,cart",
        "FRESHET_LISTS__EXECUTION_MODE": "process",  # other tests run the job as it is by default; and this one ends workers
    }
    with_model = Freshet(freshet.environment | own)
    cancel(cluster, "scoring")
    truncated(folder)
    refused = with_model.run("submit", "scoring")
    assert refused.returncode != 0
    shutil.copytree(default_folder(), folder, dirs_exist_ok=True)
    with_model("submit", "scoring")
    until(partial(is_running, cluster, "scoring"), "job scoring")
    yield Model(folder, refused.stdout + refused.stderr)
    cancel(cluster, "scoring")
    freshet("submit", "scoring")
    until(partial(is_running, cluster, "scoring"), "job scoring")


def truncated(folder: Path) -> None:
    (folder / MODEL).write_bytes((folder / MODEL).read_bytes()[:5_000])


def missing(folder: Path) -> None:
    (folder / MODEL).unlink()


def of_no_numbers(folder: Path) -> None:
    """Every score will be NaN, and nothing in the artefact tells so: the graph is what the manifest says."""
    graph = (folder / MODEL).read_bytes()
    table = item_table(graph)
    assert table is not None
    (folder / MODEL).write_bytes(graph.replace(table.tobytes(), np.full_like(table, np.nan).tobytes()))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][MODEL] = described(folder / MODEL).model_dump()
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_an_event_makes_a_list_in_each_placement_and_a_record_of_each(model: Model, settings: Settings) -> None:
    readers = {name: ListReader(settings, name) for name in ("home", "cart")}
    looks_at("user-of-two-pages", settings)
    stored = {
        name: until(partial(reader.own, "user-of-two-pages"), name, timeout_s=120) for name, reader in readers.items()
    }
    subject = readers["home"].subject("user-of-two-pages")
    decode = Decoder(RECOMMENDATIONS, Registry(settings.registry.url).schema)

    def told() -> dict[str, Any]:
        found = (record for record in records(settings, RECOMMENDATIONS) if record.key == subject.encode())
        return {one["placement"]: one for one in map(decode, (record.value for record in found))}

    lists = until(lambda: told() if len(told()) == len(stored) else None, "the records", timeout_s=60, poll_s=1.0)
    for name, answer in stored.items():
        assert [place["item_id"] for place in lists[name]["items"]] == [place["item_id"] for place in answer.items]
        assert lists[name]["version"] == answer.value["version"]


def test_a_damaged_graph_is_refused_when_the_job_is_submitted(model: Model) -> None:
    assert "model.onnx" in model.refused
    assert "copy the whole folder again" in model.refused


@pytest.mark.parametrize("spoil", [truncated, missing, of_no_numbers])
def test_a_running_job_goes_on_without_a_graph_that_has_gone_bad(
    spoil: Callable[[Path], None], model: Model, cluster: Cluster, stack: Stack, settings: Settings
) -> None:
    shutil.copytree(default_folder(), model.folder, dirs_exist_ok=True)
    spoil(model.folder)
    before, told = restarts(cluster, "scoring"), log_lines(stack, "The light model scores")
    user = f"user-{spoil.__name__}"
    end_workers(stack)
    looks_at(user, settings)  # the job notices when it has something to do
    until(lambda: restarts(cluster, "scoring") > before, "the restart", timeout_s=60)
    until(partial(is_running, cluster, "scoring"), "job scoring", timeout_s=60)
    found: Answer = until(lambda: ListReader(settings).own(user), "a list", timeout_s=120)
    assert found.value["tier"] == "light"
    assert log_lines(stack, "The light model scores") > told
    until(lambda: active_tiers(settings) == {"light"}, "the metric", timeout_s=60)
    for one in all_lists(settings):
        assert one["items"]
        assert all(np.isfinite(place["score"]) for place in one["items"])


def looks_at(user: str, settings: Settings) -> None:
    now = time.time_ns() // 1_000_000
    item = Artefact.load().vocabulary.items[5]
    produce([an_interaction("view", user=user, at=now, item_id=item)], settings, INTERACTIONS)


def end_workers(stack: Stack) -> None:
    """End the Python processes of the cluster, as a machine that runs out of memory does."""
    record = stack.parts["taskmanager"].record()
    assert record
    workers = [process for process in record.members() if process.name().startswith("python")]
    assert workers
    for process in workers:
        process.kill()


def log_lines(stack: Stack, text: str) -> int:
    return sum(path.read_text("utf-8", "replace").count(text) for path in stack.home.logs.glob("*taskexecutor*.log"))


def active_tiers(settings: Settings) -> set[str]:
    """The tiers whose gauge says that they are in use."""
    first, found = settings.local.port("flink-metrics"), set[str]()
    for port in range(first, first + METRICS_PORTS):
        try:
            page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        except httpx.HTTPError:
            continue
        found |= set(re.findall(r'^\S*freshet_tier_active{.*?\btier="([^"]+)".*?} 1\.0$', page, re.MULTILINE))
    return found


def all_lists(settings: Settings) -> list[Any]:
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as store:
        keys = [*store.scan_iter("topn:*", count=1_000), *store.scan_iter("hot:*", count=1_000)]
        return [json.loads(value) for value in store.mget(keys) if value]
