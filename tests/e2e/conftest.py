"""The jobs, running on the run's stack."""

from functools import partial
from typing import Any

import pytest

from e2e.running import JOBS, is_running, until
from e2e.shoppers import catalogue
from freshet.replay.produce import produce
from freshet.schemas.topics import CATALOG
from freshet.settings import Settings
from freshet.stack.stack import Stack
from freshet.submit import Cluster


@pytest.fixture(scope="session")
def cluster(stack: Stack, settings: Settings, freshet: Any) -> Cluster:
    """The cluster with all jobs running, features registered and a small catalogue sent."""
    freshet("features", "apply")
    produce(catalogue(), settings, CATALOG)  # before the job starts, so that no event meets half a catalogue
    for job in JOBS:
        freshet("submit", job)
    flink = Cluster(settings)
    for job in JOBS:
        until(partial(is_running, flink, job), f"job {job}")
    return flink
