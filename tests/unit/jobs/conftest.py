"""One JVM for the tests that need Flink: our Java classes are on its class path, and jobs run inside it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from hypothesis import settings

from freshet.stack.flink import distribution, distribution_jars, link_jars
from freshet.stack.java import find_java
from freshet.stack.kernel import kernel_jar
from freshet.udfs.view_sql import FUNCTIONS

settings.register_profile("freshet", deadline=None)
settings.load_profile("freshet")


@pytest.fixture(scope="session")
def jvm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The JVM through py4j: `jvm.freshet.udfs.Ewma()` is an object of the Java class."""
    java, lib = find_java(), tmp_path_factory.mktemp("lib")
    link_jars(lib, [*distribution_jars(), kernel_jar(compiled_before(request.config), distribution_jars(), java)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(java.home))
        patch.setenv("FLINK_HOME", str(distribution()))  # else PyFlink takes its own lib folder, whatever the next line says
        patch.setenv("FLINK_LIB_DIR", str(lib))
        patch.setenv("FLINK_LOG_DIR", str(tmp_path_factory.mktemp("log")))
        patch.setenv("JVM_ARGS", "-Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1")
        with running_jvm(patch) as gateway:
            yield gateway.jvm


@contextmanager
def running_jvm(patch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start PyFlink's gateway, and end it, which PyFlink leaves to the end of the process."""
    import_flink()
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


def import_flink() -> None:
    """Import it once without a word about what its own modules still use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import pyflink.table  # noqa: F401


def compiled_before(config: pytest.Config) -> Path:
    """Return a folder that outlives the run, so that unchanged sources are compiled once."""
    return Path(config.rootpath) / ".pytest_cache" / "kernel"


@pytest.fixture
def table_environment(jvm: Any) -> Callable[..., Any]:
    """Make a table environment that knows our functions and runs jobs inside the JVM, with these settings."""
    from pyflink.table import EnvironmentSettings, TableEnvironment

    def make(**options: str) -> Any:
        env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
        for name, value in options.items():
            env.get_config().set(name.replace("_", "."), value)
        for name, java_class in FUNCTIONS.items():
            env.execute_sql(f"CREATE TEMPORARY SYSTEM FUNCTION {name} AS '{java_class}' LANGUAGE JAVA")
        return env

    return make
