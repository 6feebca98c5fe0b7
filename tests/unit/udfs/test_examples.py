"""The examples in the docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import freshet.udfs
import freshet.udfs.aggregates
from freshet.udfs.aggregates.aggregate import Event, state_after

MODULES = [
    found.name
    for package in (freshet.udfs, freshet.udfs.aggregates)
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    if not found.ispkg
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    shared = {"Event": Event, "state_after": state_after}  # what most aggregates' examples need
    assert doctest.testmod(importlib.import_module(name), extraglobs=shared).failed == 0


def test_examples_are_found_at_all() -> None:
    finder = doctest.DocTestFinder()
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) >= 30
