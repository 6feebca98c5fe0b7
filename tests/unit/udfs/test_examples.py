"""The examples in the docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import freshet.udfs
import freshet.udfs.aggregates

MODULES = [
    found.name
    for package in (freshet.udfs, freshet.udfs.aggregates)
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    if not found.ispkg
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_found_at_all() -> None:
    finder = doctest.DocTestFinder()
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) >= 15
