"""One JVM for the tests that need Flink: our Java classes are on its class path, and jobs run inside it."""

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from freshet.stack import jars
from freshet.stack.flink import distribution, distribution_jars, link_jars
from freshet.stack.java import find_java
from freshet.stack.kernel import kernel_jar


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let PyFlink and Beam import what has been deprecated; it is theirs to mend."""
    for item in items:
        if item.get_closest_marker("flink"):
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture(scope="session")
def jvm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The JVM through py4j: `jvm.freshet.features.Trial(text)` is an object of the Java class."""
    java, lib = find_java(), tmp_path_factory.mktemp("lib")
    linked = [*distribution_jars(), *jars.fetch(jars.locked("flink"))]
    link_jars(lib, [*linked, kernel_jar(compiled_before(request.config), linked, java)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(java.home))
        patch.setenv(
            "FLINK_HOME", str(distribution())
        )  # else PyFlink takes its own lib folder, whatever the next line says
        patch.setenv("FLINK_LIB_DIR", str(lib))
        patch.setenv("FLINK_LOG_DIR", str(tmp_path_factory.mktemp("log")))
        patch.setenv("JVM_ARGS", "-Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1")
        with running_jvm(patch) as gateway:
            yield gateway.jvm


@contextmanager
def running_jvm(patch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start PyFlink's gateway, and end it, which PyFlink leaves to the end of the process."""
    from pyflink import java_gateway

    launch, launched = java_gateway.launch_gateway_server_process, list[Popen[bytes]]()

    def remember(*arguments: Any) -> "Popen[bytes]":
        launched.append(launch(*arguments))
        return launched[-1]

    patch.setattr(java_gateway, "launch_gateway_server_process", remember)
    patch.setattr(java_gateway, "_gateway", None)
    gateway = java_gateway.get_gateway()
    try:
        yield gateway
    finally:
        gateway.shutdown()
        for process in launched:
            process.communicate()  # it ends when its input does


def compiled_before(config: pytest.Config) -> Path:
    """Return a folder that outlives the run, so that unchanged sources are compiled once."""
    return Path(config.rootpath) / ".pytest_cache" / "kernel"


class LocalFlink:
    """Runs SQL in the JVM of the tests, over rows that lie in files."""

    def __init__(self, folder: Path, options: Mapping[str, str]) -> None:
        from pyflink.datastream import StreamExecutionEnvironment
        from pyflink.table import StreamTableEnvironment

        self._folder = folder
        self.env = StreamTableEnvironment.create(StreamExecutionEnvironment.get_execution_environment())
        for name, value in options.items():
            self.env.get_config().set(name, value)

    def table(
        self,
        name: str,
        columns: Mapping[str, str],
        rows: Sequence[Sequence[Any]],
        *,
        files: int = 2,
        computed: Sequence[str] = (),
    ) -> None:
        """Make a table of these rows, in files that several subtasks read at once, with columns that are computed of them."""
        folder = self._folder / name
        folder.mkdir()
        for part in range(files):
            lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in rows[part::files])
            (folder / f"{part}.json").write_text("".join(f"{line}\n" for line in lines))
        declared = ", ".join([*(f"`{column}` {kind}" for column, kind in columns.items()), *computed])
        self.env.execute_sql(
            f"CREATE TEMPORARY TABLE {name} ({declared}) WITH "
            f"('connector' = 'filesystem', 'path' = '{folder.as_uri()}', 'format' = 'json')"
        )

    def view(self, name: str, query: str) -> None:
        """Name a query."""
        self.env.execute_sql(f"CREATE TEMPORARY VIEW {name} AS {query}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query to its end and return what it gave, in no order."""
        with self.env.execute_sql(query).collect() as answers:
            return [tuple(row) for row in answers]


@pytest.fixture
def flink(jvm: Any, tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], LocalFlink]]:
    """Make a Flink with these options; `flink({})` has the defaults.

    Its planner works on the Java thread alone that made it. Each connection of Python's has a Java thread, and a collector
    of garbage that runs in another thread of Python's takes the connection for a moment, and so moves ours to another one.
    """
    gc.collect()
    gc.disable()
    yield lambda options: LocalFlink(tmp_path, options)
    gc.enable()
