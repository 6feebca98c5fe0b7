"""The real data, read once for all tests of the replay; nobody changes it."""

import pandas as pd
import pytest

from freshet.replay import journey
from freshet.replay.tastes import Tastes, estimate


@pytest.fixture(scope="session")
def lines() -> pd.DataFrame:
    """All purchases of the year."""
    return journey.purchases()


@pytest.fixture(scope="session")
def products() -> pd.DataFrame:
    """The catalogue as a table."""
    return journey.products()


@pytest.fixture(scope="session")
def tastes(lines: pd.DataFrame, products: pd.DataFrame) -> Tastes:
    """What the households like."""
    return estimate(lines, products)
